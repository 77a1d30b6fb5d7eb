#include "tests/benchmark/preset_layers.h"

#include <algorithm>
#include <map>
#include <variant>

namespace redoubt::benchmarks {

namespace {

/// Fills in the shapes of a layer whose kind and input are known.
void shape_layer(const LayerSpec& spec, int batch, bool relu_before, PresetLayer& layer) {
  layer.output = layer.input;
  if (const auto* conv = std::get_if<Conv::Settings>(&spec.layer)) {
    layer.conv = {.batch = batch,
                  .in_channels = layer.input.channels,
                  .height = layer.input.height,
                  .width = layer.input.width,
                  .out_channels = conv->channels,
                  .kernel_height = conv->kernel,
                  .kernel_width = conv->kernel,
                  .stride = conv->stride,
                  .padding = conv->padding};
    layer.output = {layer.conv.out_channels, layer.conv.out_height(), layer.conv.out_width()};
  } else if (const auto* pool = std::get_if<MaxPool::Settings>(&spec.layer)) {
    layer.pool = {.channels = layer.input.channels,
                  .height = layer.input.height,
                  .width = layer.input.width,
                  .batch = batch,
                  .window = pool->window,
                  .stride = pool->stride == 0 ? pool->window : pool->stride,
                  .relu = relu_before};
    layer.output = {layer.pool.channels, layer.pool.out_height(), layer.pool.out_width()};
  } else if (const auto* dense = std::get_if<Dense::Settings>(&spec.layer)) {
    layer.output = {dense->units, 1, 1};
  } else if (const auto* dropout = std::get_if<Dropout::Settings>(&spec.layer)) {
    layer.rate = dropout->rate;
  }
}

template <class L>
bool is(const LayerSpec& spec) {
  return std::holds_alternative<typename L::Settings>(spec.layer);
}

}  // namespace

double PresetLayer::forward_flops(int batch) const {
  if (kind == "conv") {
    return 2.0 * static_cast<double>(conv.weight_size()) * output.positions() * batch;
  }
  if (kind == "dense") {
    return 2.0 * static_cast<double>(input.size()) * static_cast<double>(output.size()) * batch;
  }
  return 0;
}

bool is_plain(const Preset& preset) {
  return std::none_of(preset.layers.begin(), preset.layers.end(), is<Residual>);
}

std::vector<PresetLayer> preset_layers(const Preset& preset, int batch) {
  std::vector<PresetLayer> layers;
  std::map<std::string, int> seen;
  Shape shape = preset.input;
  bool relu_before = false;
  for (std::size_t i = 0; i < preset.layers.size(); ++i) {
    const LayerSpec& spec = preset.layers[i];
    if (is<Relu>(spec) && i + 1 < preset.layers.size() && is<MaxPool>(preset.layers[i + 1])) {
      relu_before = true;
      continue;
    }
    PresetLayer layer = {.kind = Layers::name_of(spec.layer), .name = "", .input = shape};
    const std::string number = std::to_string(++seen[layer.kind]);
    layer.name = (layer.kind == "dense" ? "fc" : layer.kind) + number;
    shape_layer(spec, batch, relu_before, layer);
    relu_before = false;
    shape = layer.output;
    layers.push_back(std::move(layer));
  }
  return layers;
}

double forward_flops(const Preset& preset, int batch) {
  double flops = 0;
  for (const PresetLayer& layer : preset_layers(preset, batch)) flops += layer.forward_flops(batch);
  return flops;
}

double step_flops(const Preset& preset, int batch) {
  double flops = 0;
  bool first = true;
  for (const PresetLayer& layer : preset_layers(preset, batch)) {
    const double forward = layer.forward_flops(batch);
    if (forward == 0) continue;
    flops += (first ? 2 : 3) * forward;
    first = false;
  }
  return flops;
}

}  // namespace redoubt::benchmarks
