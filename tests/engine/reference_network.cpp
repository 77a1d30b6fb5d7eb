#include "tests/engine/reference_network.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

namespace redoubt::test {

using reference::Values;

/// Where a walk through the layers is.
struct ReferenceNetwork::Walk {
  Shape shape;
  Values values;
  int batch;
  int convs = 0;
  int denses = 0;
  int norms = 0;
  std::string producer;  ///< the conv or dense layer whose channels the next ReLU masks
  int place = 0;         ///< of this layer when a ReLU and the max pooling after it count as one
};

/// What all layers of a walk look at.
struct ReferenceNetwork::Inputs {
  const Values& row;
  const std::vector<float>& mask;
  const RandomKey* key;
  int valid;
};

namespace {

kernels::PoolShape pool_shape(int window, int stride, const Shape& shape, int batch) {
  return {.channels = shape.channels,
          .height = shape.height,
          .width = shape.width,
          .batch = batch,
          .window = window,
          .stride = stride == 0 ? window : stride};
}

/// Batch norm of [C][positions][N] by the statistics of the first `valid` images.
Values normalize(const Values& values, int channels, int batch, int valid, const Values& gamma,
                 const Values& beta) {
  Values output = values;
  const std::size_t size = values.size() / static_cast<std::size_t>(channels);
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    double count = 0;
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (static_cast<int>(i % static_cast<std::size_t>(batch)) >= valid) continue;
      count += 1;
      sum += values[c * size + i];
      squares += values[c * size + i] * values[c * size + i];
    }
    const double mean = sum / count;
    const double deviation = std::sqrt(squares / count - mean * mean + 1e-3);
    for (std::size_t i = 0; i < size; ++i) {
      output[c * size + i] = (values[c * size + i] - mean) / deviation * gamma[c] + beta[c];
    }
  }
  return output;
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

void ReferenceNetwork::walk_through(const std::vector<LayerSpec>& specs, const Inputs& in,
                                    Walk& walk, Output& output) const {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const LayerSpec& spec = specs[i];
    if (const auto* residual = std::get_if<Residual::Settings>(&spec.layer)) {
      Values input = walk.values;
      const Shape shape = walk.shape;
      walk.producer.clear();
      walk_through(residual->body, in, walk, output);
      std::swap(input, walk.values);
      walk.shape = shape;
      walk.producer.clear();
      walk_through(residual->shortcut, in, walk, output);
      for (std::size_t v = 0; v < input.size(); ++v) walk.values[v] += input[v];
      walk.producer.clear();
      ++walk.place;
      continue;
    }
    if (const auto* conv = std::get_if<Conv::Settings>(&spec.layer)) {
      walk.producer = "conv" + std::to_string(++walk.convs);
      const kernels::ConvShape shape = {.batch = walk.batch,
                                        .in_channels = walk.shape.channels,
                                        .height = walk.shape.height,
                                        .width = walk.shape.width,
                                        .out_channels = conv->channels,
                                        .kernel_height = conv->kernel,
                                        .kernel_width = conv->kernel,
                                        .stride = conv->stride,
                                        .padding = conv->padding};
      walk.values = reference::conv_forward(
          shape, walk.values, tensor(walk.producer + ".weight", in.row),
          conv->bias != 0 ? tensor(walk.producer + ".bias", in.row)
                          : Values(static_cast<std::size_t>(shape.out_channels), 0.0));
      walk.shape = {shape.out_channels, shape.out_height(), shape.out_width()};
    } else if (const auto* dense = std::get_if<Dense::Settings>(&spec.layer)) {
      walk.producer = "fc" + std::to_string(++walk.denses);
      walk.values = reference::gemm({.rows = dense->units,
                                     .columns = walk.batch,
                                     .inner = static_cast<int>(walk.shape.size())},
                                    tensor(walk.producer + ".weight", in.row), walk.values);
      walk.values = reference::add_bias(walk.values, tensor(walk.producer + ".bias", in.row));
      walk.shape = {dense->units, 1, 1};
    } else if (std::holds_alternative<Relu::Settings>(spec.layer)) {
      Values channels;
      for (const ChannelSpan& span : layout_.channels()) {
        if (in.mask.empty() || span.name != walk.producer) continue;
        channels.assign(in.mask.begin() + span.offset,
                        in.mask.begin() + span.offset + span.channels);
      }
      walk.values = reference::relu(walk.shape.channels, walk.values, channels);
      if (!walk.producer.empty()) {
        output.activations[std::exchange(walk.producer, "")] = walk.values;
      }
      if (i + 1 < specs.size() && std::holds_alternative<MaxPool::Settings>(specs[i + 1].layer))
        --walk.place;
    } else if (std::holds_alternative<BatchNorm::Settings>(spec.layer)) {
      const std::string name = "bn" + std::to_string(++walk.norms);
      walk.values = normalize(walk.values, walk.shape.channels, walk.batch, in.valid,
                              tensor(name + ".weight", in.row), tensor(name + ".bias", in.row));
    } else if (const auto* dropout = std::get_if<Dropout::Settings>(&spec.layer)) {
      const double rate = static_cast<float>(dropout->rate);
      if (in.key != nullptr) walk.values = drop(walk.values, rate, walk.place, *in.key);
    } else {
      const auto* max = std::get_if<MaxPool::Settings>(&spec.layer);
      const auto* average = std::get_if<AveragePool::Settings>(&spec.layer);
      const int window = max ? max->window : average ? average->window : walk.shape.height;
      const int stride = max ? max->stride : average ? average->stride : 0;
      const kernels::PoolShape shape = pool_shape(window, stride, walk.shape, walk.batch);
      walk.values = max ? reference::max_pool(shape, walk.values).output
                        : reference::average_pool(shape, walk.values);
      walk.shape = {shape.channels, shape.out_height(), shape.out_width()};
    }
    ++walk.place;
  }
}

ReferenceNetwork::Output ReferenceNetwork::forward(const Values& images, int batch,
                                                   const Values& row,
                                                   const std::vector<float>& mask,
                                                   const RandomKey* key, int valid) const {
  Output output;
  Walk walk = {.shape = input_, .values = images, .batch = batch, .producer = ""};
  walk_through(specs_, {.row = row, .mask = mask, .key = key, .valid = valid}, walk, output);
  output.logits = std::move(walk.values);
  return output;
}

double ReferenceNetwork::loss(const Values& images, const std::vector<int>& labels,
                              const Values& row, const std::vector<float>& mask,
                              const RandomKey* key) const {
  const int batch = static_cast<int>(labels.size());
  const auto valid =
      std::count_if(labels.begin(), labels.end(), [](int label) { return label >= 0; });
  const Values logits = forward(images, batch, row, mask, key, static_cast<int>(valid)).logits;
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
    if (span.role == ParameterSpan::Role::statistic) continue;
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
