#include "engine/presets.h"

#include "base/check.h"
#include "base/nearest_name.h"

namespace redoubt {

namespace {

/// A convolution without bias and the batch norm after it, named as in PyTorch's code for CIFAR-10.
void add_normalized(std::vector<LayerSpec>& layers, const std::string& conv_name,
                    const std::string& norm_name, const Conv::Settings& conv) {
  Conv::Settings bare = conv;
  bare.padding = conv.kernel / 2;
  bare.bias = 0;
  layers.emplace_back(bare, conv_name);
  layers.emplace_back(BatchNorm::Settings(), norm_name);
}

/// He et al. 2016, figure 2, for CIFAR-10: a block of two 3x3 convolutions; where the shape
/// changes, the shortcut is a 1x1 convolution.
void add_block(std::vector<LayerSpec>& layers, const std::string& name, int channels, int stride,
               bool changes) {
  Residual::Settings block;
  add_normalized(block.body, name + ".conv1", name + ".bn1",
                 {.channels = channels, .kernel = 3, .stride = stride});
  block.body.emplace_back(Relu::Settings());
  add_normalized(block.body, name + ".conv2", name + ".bn2", {.channels = channels, .kernel = 3});
  if (changes) {
    add_normalized(block.shortcut, name + ".shortcut.0", name + ".shortcut.1",
                   {.channels = channels, .kernel = 1, .stride = stride});
  }
  layers.emplace_back(block);
  layers.emplace_back(Relu::Settings());
}

/// Stages of `blocks` blocks each; the channels double and the sides halve from stage to stage.
std::vector<LayerSpec> resnet(int channels, int stages, int blocks) {
  std::vector<LayerSpec> layers;
  add_normalized(layers, "conv1", "bn1", {.channels = channels, .kernel = 3});
  layers.emplace_back(Relu::Settings());
  for (int stage = 1; stage <= stages; ++stage) {
    for (int block = 0; block < blocks; ++block) {
      const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(block);
      const bool changes = stage > 1 && block == 0;
      add_block(layers, name, channels, changes ? 2 : 1, changes);
    }
    channels *= 2;
  }
  layers.emplace_back(GlobalAveragePool::Settings());
  layers.emplace_back(Dense::Settings{.units = 10}, "linear");
  return layers;
}

constexpr Relu::Settings kRelu;
constexpr MaxPool::Settings kHalve = {.window = 2};
constexpr Shape kGray = {1, 28, 28};
constexpr Shape kColor = {3, 32, 32};

}  // namespace

std::span<const Preset> preset_table() {
  static const std::vector<Preset> table = {
      {.name = "pfl-cifar",
       .description = "the CIFAR-10 network of pfl-research's benchmark: 2 conv, 2 dense, dropout",
       .input = kColor,
       .initialization = Initialization::xavier,
       .layers = {Conv::Settings{.channels = 32, .kernel = 3}, kRelu,
                  Conv::Settings{.channels = 64, .kernel = 3}, kRelu, kHalve,
                  Dropout::Settings{.rate = 0.25}, Dense::Settings{.units = 128}, kRelu,
                  Dropout::Settings{.rate = 0.5}, Dense::Settings{.units = 10}}},
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
       .layers = {Conv::Settings{.channels = 16, .kernel = 3}, kRelu, kHalve,
                  Conv::Settings{.channels = 32, .kernel = 3}, kRelu, kHalve,
                  Dense::Settings{.units = 64}, kRelu, Dense::Settings{.units = 10}}},
      {.name = "wu-mnist",
       .description = "Wu et al. 2020 for MNIST: conv 20 and 50 of 5x5, dense 500 and 10",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {Conv::Settings{.channels = 20, .kernel = 5}, kRelu, kHalve,
                  Conv::Settings{.channels = 50, .kernel = 5}, kRelu, kHalve,
                  Dense::Settings{.units = 500}, kRelu, Dense::Settings{.units = 10}}},
      {.name = "wu-mnist-small",
       .description = "Wu et al. 2020, the small network: conv 8 and 16 of 5x5, dense 500 and 10",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {Conv::Settings{.channels = 8, .kernel = 5}, kRelu, kHalve,
                  Conv::Settings{.channels = 16, .kernel = 5}, kRelu, kHalve,
                  Dense::Settings{.units = 500}, kRelu, Dense::Settings{.units = 10}}},
      {.name = "wu-fashion",
       .description = "Wu et al. 2020 for Fashion-MNIST: 3 conv, 2 dense (sizes are ours)",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {Conv::Settings{.channels = 16, .kernel = 3}, kRelu, kHalve,
                  Conv::Settings{.channels = 32, .kernel = 3}, kRelu, kHalve,
                  Conv::Settings{.channels = 64, .kernel = 3}, kRelu, kHalve,
                  Dense::Settings{.units = 128}, kRelu, Dense::Settings{.units = 10}}},
      {.name = "wu-cifar",
       .description = "Wu et al. 2020 for CIFAR-10: 4 conv, 3 dense (sizes are ours)",
       .input = kColor,
       .initialization = Initialization::uniform_fan_in,
       .layers = {Conv::Settings{.channels = 32, .kernel = 3, .padding = 1}, kRelu,
                  Conv::Settings{.channels = 32, .kernel = 3, .padding = 1}, kRelu, kHalve,
                  Conv::Settings{.channels = 64, .kernel = 3, .padding = 1}, kRelu,
                  Conv::Settings{.channels = 64, .kernel = 3, .padding = 1}, kRelu, kHalve,
                  Dense::Settings{.units = 256}, kRelu, Dense::Settings{.units = 128}, kRelu,
                  Dense::Settings{.units = 10}}},
  };
  return table;
}

std::vector<std::string> ModelPreset::names() {
  std::vector<std::string> names;
  for (const Preset& entry : preset_table()) names.push_back(entry.name);
  return names;
}

const Preset& preset(const std::string& name) {
  for (const Preset& entry : preset_table()) {
    if (entry.name == name) return entry;
  }
  throw InputError("unknown model preset \"" + name + "\"" +
                   suggestion(name, ModelPreset::names()));
}

}  // namespace redoubt
