#include "tests/benchmark/preset_layers.h"

#include <algorithm>
#include <map>

namespace redoubt::benchmarks {

namespace {

int whole(const LayerSpec& spec, const std::string& argument) {
  return static_cast<int>(spec.arguments.at(argument));
}

/// Fills in the shapes of a layer whose kind and input are known.
void shape_layer(const LayerSpec& spec, int batch, bool relu_before, PresetLayer& layer) {
  layer.output = layer.input;
  if (layer.kind == "conv") {
    layer.conv = {.batch = batch,
                  .in_channels = layer.input.channels,
                  .height = layer.input.height,
                  .width = layer.input.width,
                  .out_channels = whole(spec, "channels"),
                  .kernel_height = whole(spec, "kernel"),
                  .kernel_width = whole(spec, "kernel"),
                  .stride = whole(spec, "stride"),
                  .padding = whole(spec, "padding")};
    layer.output = {layer.conv.out_channels, layer.conv.out_height(), layer.conv.out_width()};
  } else if (layer.kind == "max_pool") {
    const int stride = whole(spec, "stride");
    layer.pool = {.channels = layer.input.channels,
                  .height = layer.input.height,
                  .width = layer.input.width,
                  .batch = batch,
                  .window = whole(spec, "window"),
                  .stride = stride == 0 ? whole(spec, "window") : stride,
                  .relu = relu_before};
    layer.output = {layer.pool.channels, layer.pool.out_height(), layer.pool.out_width()};
  } else if (layer.kind == "dense") {
    layer.output = {whole(spec, "units"), 1, 1};
  } else if (layer.kind == "dropout") {
    layer.rate = spec.arguments.at("rate");
  }
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
  return std::none_of(preset.layers.begin(), preset.layers.end(),
                      [](const LayerSpec& spec) { return spec.kind == kResidual; });
}

std::vector<PresetLayer> preset_layers(const Preset& preset, int batch) {
  std::vector<PresetLayer> layers;
  std::map<std::string, int> seen;
  Shape shape = preset.input;
  bool relu_before = false;
  for (std::size_t i = 0; i < preset.layers.size(); ++i) {
    const LayerSpec spec = complete(preset.layers[i]);
    const bool fused = spec.kind == "relu" && i + 1 < preset.layers.size() &&
                       preset.layers[i + 1].kind == "max_pool";
    if (fused) {
      relu_before = true;
      continue;
    }
    PresetLayer layer = {.kind = spec.kind, .name = "", .input = shape};
    const std::string number = std::to_string(++seen[spec.kind]);
    layer.name = (spec.kind == "dense" ? "fc" : spec.kind) + number;
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
