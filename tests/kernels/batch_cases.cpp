// Gathering batches and stepping parameters.
#include <cmath>

#include "kernels/gather.h"
#include "kernels/update.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

/// Three images of 2x3x4 bytes and two triggers.
struct GatherFixture {
  static constexpr int kImages = 3;
  static constexpr int kChannels = 2;
  static constexpr int kPositions = 12;
  static constexpr int kImageSize = kChannels * kPositions;
  std::vector<std::uint8_t> images;
  std::vector<float> mean = {0.25F, 0.5F};
  std::vector<float> deviation = {0.5F, 0.125F};
  std::vector<kernels::TriggerPixel> pixels = {{0, 255}, {23, 7}, {13, 128}};
  std::vector<std::int32_t> start = {0, 2, 3};

  GatherFixture() {
    for (int i = 0; i < kImages * kImageSize; ++i) {
      images.push_back(static_cast<std::uint8_t>(37 * i + 11));
    }
  }

  double value(const kernels::Sample& sample, int place, const kernels::ByteRange& range) const {
    int byte = images[sample.image * kImageSize + place];
    if (sample.trigger >= 0) {
      const auto trigger = static_cast<std::size_t>(sample.trigger);
      for (int p = start[trigger]; p < start[trigger + 1]; ++p) {
        const kernels::TriggerPixel& pixel = pixels[p];
        if (pixel.offset == place) byte = pixel.value;
      }
    }
    if (byte < range.lowest) byte = range.lowest;
    if (byte > range.highest) byte = range.highest;
    const auto channel = static_cast<std::size_t>(place / kPositions);
    return (byte / 255.0 - static_cast<double>(mean[channel])) /
           static_cast<double>(deviation[channel]);
  }
};

std::vector<kernels::Sample> some_samples(int count) {
  std::vector<kernels::Sample> samples;
  for (int i = 0; i < count; ++i) {
    if (i % 6 == 5) {
      samples.push_back({});
    } else {
      samples.push_back({i % GatherFixture::kImages,
                         static_cast<std::int16_t>(i % 4 - 1 > 1 ? -1 : i % 4 - 1),
                         static_cast<std::int16_t>(i % 10)});
    }
  }
  return samples;
}

OperationCase gather_case(int replicas, int batch, const kernels::ByteRange& range = {}) {
  const std::vector<kernels::Sample> samples = some_samples(replicas * batch);
  const std::int64_t size = std::int64_t{GatherFixture::kImageSize} * batch;
  OperationCase entry;
  entry.family = "gather";
  entry.name = "N=" + std::to_string(batch) + ", R=" + std::to_string(replicas) +
               (range == kernels::ByteRange() ? "" : ", limited");
  entry.run = [=](Device device) -> Results {
    const GatherFixture fixture;
    Context context(device);
    const Buffer<std::uint8_t> images(device, fixture.images);
    const Buffer<float> mean(device, fixture.mean);
    const Buffer<float> deviation(device, fixture.deviation);
    const Buffer<kernels::TriggerPixel> pixels(device, fixture.pixels);
    const Buffer<std::int32_t> start(device, fixture.start);
    const Buffer<kernels::Sample> batches(device, samples);
    const kernels::ImageSource source = {images.data(),
                                         GatherFixture::kImages,
                                         GatherFixture::kChannels,
                                         3,
                                         4,
                                         mean.data(),
                                         deviation.data(),
                                         pixels.data(),
                                         start.data(),
                                         2,
                                         range};
    Blocks<float> output(device, replicas, size, {3});
    Blocks<std::int32_t> labels(device, replicas, batch, {1});
    kernels::gather(context, source, replicas, batch, batches.replicas(batch), output.view(),
                    labels.view());
    context.synchronize();
    return {{"output", output.values()}, {"labels", labels.values()}};
  };
  entry.reference = [=]() -> Results {
    const GatherFixture fixture;
    Results results = {{"output", {}}, {"labels", {}}};
    for (int r = 0; r < replicas; ++r) {
      for (int place = 0; place < GatherFixture::kImageSize; ++place) {
        for (int n = 0; n < batch; ++n) {
          const kernels::Sample& sample = samples[r * batch + n];
          const double value = sample.image < 0 ? 0 : fixture.value(sample, place, range);
          results[0].values.push_back(static_cast<double>(static_cast<float>(value)));
        }
      }
      for (int n = 0; n < batch; ++n) {
        const kernels::Sample& sample = samples[r * batch + n];
        results[1].values.push_back(sample.image < 0 ? -1 : sample.label);
      }
    }
    return results;
  };
  return entry;
}

struct UpdateOperands {
  int replicas;
  std::int64_t size;
  Values parameters = random_values(31, replicas* size);
  Values gradients = random_values(32, replicas* size);
  Values more_gradients = random_values(33, replicas* size);
};

OperationCase sgd_case(int replicas, std::int64_t size, const kernels::SgdSettings& settings) {
  const UpdateOperands o = {replicas, size};
  OperationCase entry;
  entry.family = "sgd";
  entry.name = "size " + std::to_string(size) + ", R=" + std::to_string(replicas) + ", momentum " +
               std::to_string(settings.momentum) + ", decay " +
               std::to_string(settings.weight_decay);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> p(device, replicas, size, {3}, o.parameters);
    Blocks<float> v(device, replicas, size, {3}, Values(o.parameters.size(), 0.0));
    for (const Values& gradients : {o.gradients, o.more_gradients}) {
      Blocks<float> g(device, replicas, size, {3}, gradients);
      kernels::sgd(context, replicas, size, settings, g.view(), p.view(),
                   settings.momentum == 0 ? kernels::Replicas<float>{} : v.view());
      context.synchronize();
    }
    return {{"parameters", p.values()}, {"velocity", v.values()}};
  };
  entry.reference = [=]() -> Results {
    Values p = o.parameters;
    Values v(p.size(), 0.0);
    reference::sgd(settings, o.gradients, p, v);
    reference::sgd(settings, o.more_gradients, p, v);
    if (settings.momentum == 0) v.assign(p.size(), 0.0);
    return {{"parameters", p, 3e-7}, {"velocity", v, 3e-7}};
  };
  return entry;
}

OperationCase adam_case(int replicas, std::int64_t size, const kernels::AdamSettings& settings) {
  const UpdateOperands o = {replicas, size};
  OperationCase entry;
  entry.family = "adam";
  entry.name = "size " + std::to_string(size) + ", R=" + std::to_string(replicas) + ", decay " +
               std::to_string(settings.weight_decay);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> p(device, replicas, size, {3}, o.parameters);
    Blocks<float> m(device, replicas, size, {3}, Values(o.parameters.size(), 0.0));
    Blocks<float> v(device, replicas, size, {3}, Values(o.parameters.size(), 0.0));
    Buffer<std::int32_t> step(device, 1);
    std::int32_t steps = 0;
    for (const Values& gradients : {o.gradients, o.more_gradients}) {
      Blocks<float> g(device, replicas, size, {3}, gradients);
      step.upload(std::vector{steps++});
      kernels::adam(context, replicas, size, settings, step.data(), g.view(), p.view(), m.view(),
                    v.view());
      context.synchronize();
    }
    return {
        {"parameters", p.values()}, {"first moment", m.values()}, {"second moment", v.values()}};
  };
  entry.reference = [=]() -> Results {
    Values p = o.parameters;
    Values m(p.size(), 0.0);
    Values v(p.size(), 0.0);
    reference::adam(settings, 1, o.gradients, p, m, v);
    reference::adam(settings, 2, o.more_gradients, p, m, v);
    return {{"parameters", p, 1e-6}, {"first moment", m, 1e-6}, {"second moment", v, 1e-6}};
  };
  return entry;
}

}  // namespace

void add_batch_cases(std::vector<OperationCase>& cases) {
  for (const int batch : {1, 3, 10, 16, 33, 64}) {
    for (const int replicas : {1, 7}) cases.push_back(gather_case(replicas, batch));
    cases.push_back(gather_case(3, batch, {.lowest = 20, .highest = 200}));
  }
  for (const int replicas : {1, 7}) {
    for (const std::int64_t size : {1, 7, 32, 101}) {
      cases.push_back(sgd_case(replicas, size, {0.1F, 0.0F, 0.0F}));
      cases.push_back(sgd_case(replicas, size, {0.1F, 0.9F, 0.0F}));
      cases.push_back(sgd_case(replicas, size, {0.05F, 0.5F, 0.01F}));
      kernels::AdamSettings adam;
      adam.learning_rate = 0.01F;
      cases.push_back(adam_case(replicas, size, adam));
      adam.weight_decay = 0.1F;
      cases.push_back(adam_case(replicas, size, adam));
    }
  }
}

}  // namespace redoubt::test
