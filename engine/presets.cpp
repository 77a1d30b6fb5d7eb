// Networks by name.
#include <string>
#include <vector>

#include "base/check.h"
#include "base/nearest_name.h"
#include "engine/layer_spec.h"

namespace redoubt {

namespace {

LayerSpec conv(int channels, int kernel, int padding = 0) {
  return complete({"conv",
                   {{"channels", static_cast<double>(channels)},
                    {"kernel", static_cast<double>(kernel)},
                    {"padding", static_cast<double>(padding)}}});
}
LayerSpec relu() { return {"relu", {}}; }
LayerSpec max_pool(int window) {
  return complete({"max_pool", {{"window", static_cast<double>(window)}}});
}
LayerSpec dense(int units) { return complete({"dense", {{"units", static_cast<double>(units)}}}); }
/// A convolution without bias and the batch norm after it, named as in PyTorch's code for CIFAR-10.
void add_normalized(std::vector<LayerSpec>& layers, const std::string& conv_name,
                    const std::string& norm_name, int channels, int kernel, int stride) {
  layers.push_back({.kind = "conv",
                    .arguments = {{"channels", static_cast<double>(channels)},
                                  {"kernel", static_cast<double>(kernel)},
                                  {"stride", static_cast<double>(stride)},
                                  {"padding", kernel == 3 ? 1.0 : 0.0},
                                  {"bias", 0.0}},
                    .name = conv_name});
  layers.push_back({.kind = "batch_norm", .arguments = {}, .name = norm_name});
}

/// He et al. 2016, figure 2, for CIFAR-10: a block of two 3x3 convolutions; where the shape
/// changes, the shortcut is a 1x1 convolution.
void add_block(std::vector<LayerSpec>& layers, const std::string& name, int channels, int stride,
               bool changes) {
  LayerSpec block = {.kind = kResidual, .arguments = {}};
  add_normalized(block.body, name + ".conv1", name + ".bn1", channels, 3, stride);
  block.body.push_back(relu());
  add_normalized(block.body, name + ".conv2", name + ".bn2", channels, 3, 1);
  if (changes) {
    add_normalized(block.shortcut, name + ".shortcut.0", name + ".shortcut.1", channels, 1, stride);
  }
  layers.push_back(block);
  layers.push_back(relu());
}

/// Stages of `blocks` blocks each; the channels double and the sides halve from stage to stage.
std::vector<LayerSpec> resnet(int channels, int stages, int blocks) {
  std::vector<LayerSpec> layers;
  add_normalized(layers, "conv1", "bn1", channels, 3, 1);
  layers.push_back(relu());
  for (int stage = 1; stage <= stages; ++stage) {
    for (int block = 0; block < blocks; ++block) {
      const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(block);
      const bool changes = stage > 1 && block == 0;
      add_block(layers, name, channels, changes ? 2 : 1, changes);
    }
    channels *= 2;
  }
  layers.push_back({"global_average_pool", {}});
  layers.push_back({.kind = "dense", .arguments = {{"units", 10}}, .name = "linear"});
  return layers;
}

LayerSpec dropout(double rate) { return complete({"dropout", {{"rate", rate}}}); }

constexpr Shape kGray = {1, 28, 28};
constexpr Shape kColor = {3, 32, 32};

}  // namespace

std::span<const Preset> preset_table() {
  static const std::vector<Preset> table = {
      {.name = "pfl-cifar",
       .description = "the CIFAR-10 network of pfl-research's benchmark: 2 conv, 2 dense, dropout",
       .input = kColor,
       .initialization = Initialization::xavier,
       .layers = {conv(32, 3), relu(), conv(64, 3), relu(), max_pool(2), dropout(0.25), dense(128),
                  relu(), dropout(0.5), dense(10)}},
      {.name = "resnet18",
       .description = "He et al. 2016 for CIFAR-10: ResNet-18 of 64 to 512 channels",
       .input = kColor,
       .initialization = Initialization::he,
       .layers = resnet(64, 4, 2)},
      {.name = "resnet8",
       .description = "a ResNet for CPUs: 3 stages of one block, 16 to 64 channels",
       .input = kColor,
       .initialization = Initialization::he,
       .layers = resnet(16, 3, 1)},
      {.name = "toy4",
       .description =
           "Mi et al.'s small network: conv 16 and 32 of 3x3, dense 64 and 10 (sizes ours)",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(16, 3), relu(), max_pool(2), conv(32, 3), relu(), max_pool(2), dense(64),
                  relu(), dense(10)}},
      {.name = "wu-mnist",
       .description = "Wu et al. 2020 for MNIST: conv 20 and 50 of 5x5, dense 500 and 10",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(20, 5), relu(), max_pool(2), conv(50, 5), relu(), max_pool(2), dense(500),
                  relu(), dense(10)}},
      {.name = "wu-mnist-small",
       .description = "Wu et al. 2020, the small network: conv 8 and 16 of 5x5, dense 500 and 10",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(8, 5), relu(), max_pool(2), conv(16, 5), relu(), max_pool(2), dense(500),
                  relu(), dense(10)}},
      {.name = "wu-fashion",
       .description = "Wu et al. 2020 for Fashion-MNIST: 3 conv, 2 dense (sizes are ours)",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(16, 3), relu(), max_pool(2), conv(32, 3), relu(), max_pool(2), conv(64, 3),
                  relu(), max_pool(2), dense(128), relu(), dense(10)}},
      {.name = "wu-cifar",
       .description = "Wu et al. 2020 for CIFAR-10: 4 conv, 3 dense (sizes are ours)",
       .input = kColor,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(32, 3, 1), relu(), conv(32, 3, 1), relu(), max_pool(2), conv(64, 3, 1),
                  relu(), conv(64, 3, 1), relu(), max_pool(2), dense(256), relu(), dense(128),
                  relu(), dense(10)}},
  };
  return table;
}

const Preset& preset(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& entry : preset_table()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw InputError("unknown model preset \"" + name + "\"" + suggestion(name, names));
}

}  // namespace redoubt
