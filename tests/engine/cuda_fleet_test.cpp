// The engine above the CUDA side: a fleet trained at once equals its rows trained alone, whatever
// order the GPU's threads take, and comes out as on the CPU.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/fleet_evaluator.h"
#include "engine/train_step.h"
#include "kernels/activation.h"
#include "tests/engine/network_cases.h"
#include "tests/engine/random_images.h"
#include "tests/support/needs_gpu.h"
#include "tests/support/thread_order.h"

namespace redoubt::test {

namespace {

using kernels::LossTotals;
using kernels::Sample;

constexpr int kBatch = 9;
constexpr int kSteps = 3;
constexpr int kReplicas = 3;

/// An image source in a device's memory.
class ImagesOn {
 public:
  ImagesOn(Device device, const kernels::ImageSource& s)
      : images_(copy(device, s.images, std::int64_t{s.count} * s.channels * s.height * s.width)),
        mean_(copy(device, s.mean, s.channels)),
        deviation_(copy(device, s.deviation, s.channels)),
        start_(copy(device, s.trigger_start, s.trigger_count + 1)),
        pixels_(copy(device, s.trigger_pixels, s.trigger_start[s.trigger_count])),
        source_(s) {
    source_.images = images_.data();
    source_.mean = mean_.data();
    source_.deviation = deviation_.data();
    source_.trigger_start = start_.data();
    source_.trigger_pixels = pixels_.data();
  }
  const kernels::ImageSource& source() const { return source_; }

 private:
  template <class T>
  static Buffer<T> copy(Device device, const T* values, std::int64_t count) {
    return Buffer<T>(device, std::span<const T>(values, static_cast<std::size_t>(count)));
  }

  Buffer<std::uint8_t> images_;
  Buffer<float> mean_;
  Buffer<float> deviation_;
  Buffer<std::int32_t> start_;
  Buffer<kernels::TriggerPixel> pixels_;
  kernels::ImageSource source_;
};

struct Trained {
  std::vector<float> rows;         ///< [replicas][row]
  std::vector<LossTotals> totals;  ///< [replicas]
};

/// A model's numbers, variances of batch norm from 0.
std::vector<float> random_row(const ParameterLayout& layout, int seed) {
  std::vector<float> row = random_floats(seed, layout.row_size(), -0.4, 0.4);
  for (const ParameterSpan& span : layout.spans()) {
    if (!span.least) continue;
    for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) row[i] = std::abs(row[i]);
  }
  return row;
}

/// Trains replicas first .. first + count - 1, each with its own row, batches, masks and dropout,
/// by momentum (even replicas' settings are all alike: one call steps all).
Trained train(Device device, const NetworkCase& of, int first, int count) {
  const Network network(of.input, of.classes, of.layers);
  const RandomImages images(of.input, 40);
  const ImagesOn store(device, images.source());
  const std::int64_t row = network.layout().row_size();
  const std::int64_t mask_row = network.layout().mask_size();

  std::vector<float> values;
  std::vector<float> mask;
  for (int r = first; r < first + count; ++r) {
    const std::vector<float> own = random_row(network.layout(), r);
    values.insert(values.end(), own.begin(), own.end());
    for (std::int64_t i = 0; i < mask_row; ++i) mask.push_back((i + r) % 4 == 0 ? 0.0F : 1.0F);
  }
  Buffer<float> rows(device, values);
  Buffer<float> masks(device, std::ssize(mask) > 0 ? mask : std::vector<float>{0});
  Buffer<float> gradients(device, row * count);
  Buffer<float> velocity(device, row * count);
  Buffer<LossTotals> totals(device, count);
  Workspace workspace(network, device, count, kBatch, true);
  Context context(device);
  for (int step = 1; step <= kSteps; ++step) {
    std::vector<Sample> samples;
    std::vector<RandomKey> keys;
    for (int r = first; r < first + count; ++r) {
      std::vector<Sample> own = images.samples(r * 10 + step, kBatch, of.classes);
      if (r == 1) own.back() = Sample();  // a batch with padding
      samples.insert(samples.end(), own.begin(), own.end());
      keys.push_back({.seed = 3,
                      .purpose = Purpose::dropout,
                      .client = static_cast<std::uint32_t>(r),
                      .step = static_cast<std::uint32_t>(step)});
    }
    const Buffer<Sample> batch(device, samples);
    const Buffer<RandomKey> step_keys(device, keys);
    const Pass pass = {
        .context = context,
        .replicas = count,
        .batch = kBatch,
        .masks = mask_row > 0 ? masks.replicas(mask_row) : kernels::Replicas<const float>(),
        .keys = step_keys.data()};
    train_step(network, workspace, pass, store.source(), batch.replicas(kBatch),
               {.values = rows.replicas(row),
                .gradients = gradients.replicas(row),
                .first_state = velocity.replicas(row)},
               {.optimizer =
                    Sgd::Settings{.learning_rate = 0.05F, .momentum = 0.9F, .weight_decay = 0.01F}},
               totals.data());
  }
  return {rows.download(), totals.download()};
}

class CudaFleet : public testing::TestWithParam<NetworkCase> {};

/// To the bit, but for cuBLAS: it chooses among its kernels by the number of replicas, too.
TEST_P(CudaFleet, TrainsRowsAtOnceAsEachAlone) {
  const double allowed = gpu_is_emulated() ? 0 : 1e-6;
  const Trained all = train(kGpu, GetParam(), 0, kReplicas);
  const std::size_t row = all.rows.size() / kReplicas;
  for (std::size_t r = 0; r < kReplicas; ++r) {
    SCOPED_TRACE(testing::Message() << "replica " << r);
    const Trained alone = train(kGpu, GetParam(), static_cast<int>(r), 1);
    ASSERT_EQ(alone.rows.size(), row);
    for (std::size_t i = 0; i < row; ++i) {
      ASSERT_NEAR(alone.rows[i], all.rows[r * row + i], allowed) << "parameter " << i;
    }
    EXPECT_NEAR(alone.totals[0].loss, all.totals[r].loss, 10 * allowed * all.totals[r].loss);
    EXPECT_EQ(alone.totals[0].correct, all.totals[r].correct);
  }
}

TEST_P(CudaFleet, GivesTheSameBitsInAnyOrderOfThreads) {
  const auto rows = [](std::uint64_t seed) {
    const ThreadOrder order(seed);
    return train(kGpu, GetParam(), 0, kReplicas).rows;
  };
  const std::vector<float> ascending = rows(0);
  for (const std::uint64_t seed : {7, 8}) EXPECT_EQ(rows(seed), ascending);
}

TEST_P(CudaFleet, TrainsAsOnTheCpu) {
  const Trained gpu = train(kGpu, GetParam(), 0, kReplicas);
  const Trained cpu = train({}, GetParam(), 0, kReplicas);
  ASSERT_EQ(gpu.rows.size(), cpu.rows.size());
  for (std::size_t i = 0; i < cpu.rows.size(); ++i) {
    ASSERT_NEAR(gpu.rows[i], cpu.rows[i], 1e-5) << "parameter " << i;
  }
  for (std::size_t r = 0; r < kReplicas; ++r) {
    EXPECT_NEAR(gpu.totals[r].loss, cpu.totals[r].loss, 1e-4 * cpu.totals[r].loss);
    EXPECT_EQ(gpu.totals[r].count, cpu.totals[r].count);
    EXPECT_EQ(cpu.totals[r].count, kSteps * (r == 1 ? kBatch - 1 : kBatch));
  }
}

/// What each list comes to under two masks on one row, asked in turns by one evaluator, so that
/// graphs of several lists live side by side.
std::vector<LossTotals> evaluate(Device device, const NetworkCase& of,
                                 const std::vector<int>& list_sizes) {
  const Network network(of.input, of.classes, of.layers);
  const RandomImages images(of.input, 40);
  const ImagesOn store(device, images.source());
  const std::int64_t mask_row = network.layout().mask_size();
  std::vector<float> mask(static_cast<std::size_t>(2 * mask_row + 1), 1);
  for (std::int64_t i = mask_row; i < 2 * mask_row; i += 3) mask[i] = 0;
  const Buffer<float> masks(device, mask);
  const Buffer<float> row(device, random_row(network.layout(), 1));
  Context context(device);
  Workspace workspace(network, device, kReplicas, kBatch, false);
  FleetEvaluator evaluator(network, store.source(), context, workspace);
  std::vector<LossTotals> all;
  for (const int size : list_sizes) {
    std::vector<LossTotals> totals(2);
    evaluator.evaluate({.count = 2,
                        .parameters = {row.data(), 0},
                        .masks = {masks.data(), mask_row},
                        .inputs = {kernels::ByteRange(), {.lowest = 30, .highest = 200}}},
                       images.samples(size, size, of.classes), totals);
    all.insert(all.end(), totals.begin(), totals.end());
  }
  return all;
}

/// Lists that fill no batch, one pass, and several passes; the same again, by known graphs.
const std::vector<int> kLists = {5, 27, 130, 5, 27, 130};

TEST_P(CudaFleet, EvaluatesAsOnTheCpu) {
  const std::vector<LossTotals> gpu = evaluate(kGpu, GetParam(), kLists);
  const std::vector<LossTotals> cpu = evaluate({}, GetParam(), kLists);
  ASSERT_EQ(gpu.size(), cpu.size());
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    EXPECT_NEAR(gpu[i].loss, cpu[i].loss, 1e-4 * cpu[i].loss) << i;
    EXPECT_EQ(gpu[i].correct, cpu[i].correct) << i;
    EXPECT_EQ(gpu[i].count, cpu[i].count) << i;
    EXPECT_EQ(cpu[i].count, kLists[i / 2]);
    if (i < kLists.size()) continue;
    EXPECT_EQ(gpu[i], gpu[i - kLists.size()]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CudaFleet, testing::ValuesIn(network_cases()),
                         [](const auto& one) { return one.param.name; });

}  // namespace

}  // namespace redoubt::test
