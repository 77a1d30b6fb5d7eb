#include "tests/engine/reference_network.h"

#include <cmath>
#include <utility>

namespace redoubt::test {

using reference::Values;

namespace {

/// Where a walk through the layers is.
struct Walk {
  Shape shape;
  Values values;
  int batch;
  int convs = 0;
  int denses = 0;
  std::string producer;  ///< the conv or dense layer whose channels the next ReLU masks
  int place = 0;         ///< of this layer when a ReLU and the max pooling after it count as one
};

int argument(const LayerSpec& spec, const char* name) {
  return static_cast<int>(complete(spec).arguments.at(name));
}

kernels::PoolShape pool_shape(const LayerSpec& spec, const Walk& walk) {
  const int window = argument(spec, "window");
  const int stride = argument(spec, "stride");
  return {.channels = walk.shape.channels,
          .height = walk.shape.height,
          .width = walk.shape.width,
          .batch = walk.batch,
          .window = window,
          .stride = stride == 0 ? window : stride};
}

Values drop(const Values& values, double rate, int place, RandomKey key) {
  Values output(values.size());
  key.part = static_cast<std::uint8_t>(place);
  const double threshold = std::floor(rate * 0x1p32);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const RandomBlock block = random_block(key, static_cast<std::uint32_t>(i / 4));
    output[i] = block[i % 4] < threshold ? 0 : values[i] / (1 - rate);
  }
  return output;
}

}  // namespace

Values ReferenceNetwork::tensor(const std::string& name, const Values& row) const {
  const ParameterSpan* span = layout_.find(name);
  return {row.begin() + span->offset, row.begin() + span->offset + span->size};
}

ReferenceNetwork::Output ReferenceNetwork::forward(const Values& images, int batch,
                                                   const Values& row,
                                                   const std::vector<float>& mask,
                                                   const RandomKey* key) const {
  Output output;
  Walk walk = {.shape = input_, .values = images, .batch = batch, .producer = ""};
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const LayerSpec& spec = specs_[i];
    if (spec.kind == "conv") {
      walk.producer = "conv" + std::to_string(++walk.convs);
      const kernels::ConvShape shape = {.batch = batch,
                                        .in_channels = walk.shape.channels,
                                        .height = walk.shape.height,
                                        .width = walk.shape.width,
                                        .out_channels = argument(spec, "channels"),
                                        .kernel_height = argument(spec, "kernel"),
                                        .kernel_width = argument(spec, "kernel"),
                                        .stride = argument(spec, "stride"),
                                        .padding = argument(spec, "padding")};
      walk.values =
          reference::conv_forward(shape, walk.values, tensor(walk.producer + ".weight", row),
                                  tensor(walk.producer + ".bias", row));
      walk.shape = {shape.out_channels, shape.out_height(), shape.out_width()};
    } else if (spec.kind == "dense") {
      walk.producer = "fc" + std::to_string(++walk.denses);
      const int units = argument(spec, "units");
      walk.values = reference::gemm(
          {.rows = units, .columns = batch, .inner = static_cast<int>(walk.shape.size())},
          tensor(walk.producer + ".weight", row), walk.values);
      walk.values = reference::add_bias(walk.values, tensor(walk.producer + ".bias", row));
      walk.shape = {units, 1, 1};
    } else if (spec.kind == "relu") {
      Values channels;
      for (const ChannelSpan& span : layout_.channels()) {
        if (mask.empty() || span.name != walk.producer) continue;
        channels.assign(mask.begin() + span.offset, mask.begin() + span.offset + span.channels);
      }
      walk.values = reference::relu(walk.shape.channels, walk.values, channels);
      if (!walk.producer.empty()) {
        output.activations[std::exchange(walk.producer, "")] = walk.values;
      }
      if (i + 1 < specs_.size() && specs_[i + 1].kind == "max_pool") --walk.place;
    } else if (spec.kind == "dropout") {
      const double rate = static_cast<float>(spec.arguments.at("rate"));
      if (key != nullptr) walk.values = drop(walk.values, rate, walk.place, *key);
    } else {
      const kernels::PoolShape shape = pool_shape(spec, walk);
      walk.values = spec.kind == "max_pool" ? reference::max_pool(shape, walk.values).output
                                            : reference::average_pool(shape, walk.values);
      walk.shape = {shape.channels, shape.out_height(), shape.out_width()};
    }
    ++walk.place;
  }
  output.logits = std::move(walk.values);
  return output;
}

double ReferenceNetwork::loss(const Values& images, const std::vector<int>& labels,
                              const Values& row, const std::vector<float>& mask,
                              const RandomKey* key) const {
  const int batch = static_cast<int>(labels.size());
  const Values logits = forward(images, batch, row, mask, key).logits;
  return reference::mean_cross_entropy(static_cast<int>(logits.size()) / batch, batch, logits,
                                       labels);
}

Values ReferenceNetwork::gradient(const Values& images, const std::vector<int>& labels,
                                  const Values& row, const std::vector<float>& mask,
                                  const RandomKey* key) const {
  constexpr double kStep = 1e-5;
  Values gradient(row.size(), 0.0);
  Values moved = row;
  for (const ParameterSpan& span : layout_.spans()) {
    for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      moved[at] = row[at] + kStep;
      const double above = loss(images, labels, moved, mask, key);
      moved[at] = row[at] - kStep;
      const double below = loss(images, labels, moved, mask, key);
      moved[at] = row[at];
      gradient[at] = (above - below) / (2 * kStep);
    }
  }
  return gradient;
}

}  // namespace redoubt::test
