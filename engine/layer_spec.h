// A network as a list of layers by name, as an experiment file or a preset gives it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/shape.h"

namespace redoubt {

class Layer;
struct LayerBuilder;

/// One layer: its kind and its arguments, e.g. {"conv", {{"channels", 20}, {"kernel", 5}}}.
struct LayerSpec {
  std::string kind;
  std::map<std::string, double> arguments;
  /// Of its tensors; empty: made by counting, "conv1".
  std::string name = {};
  /// Of a "residual" only: output = body(input) + shortcut(input). An empty shortcut is the input
  /// itself.
  std::vector<LayerSpec> body = {};
  std::vector<LayerSpec> shortcut = {};
  bool operator==(const LayerSpec& other) const;
};

/// An argument of a kind of layer.
struct LayerArgument {
  std::string name;
  double fallback = 0;  ///< used if it is not given and not required
  bool required = false;
  double low = 0;  ///< allowed range, both ends included
  double high = 0;
  bool whole = true;      ///< must be a whole number
  std::string help = {};  ///< one line for the reference of experiment files
};

/// A row of the table of layers. To add a layer: write its class in layers/, add a row to
/// table.cpp.
struct LayerEntry {
  std::string kind;
  std::string description;               ///< one line for `redoubt list`
  std::vector<LayerArgument> arguments;  ///< the first may be given as `kind: value`
  /// Makes the layer for inputs of the builder's shape and registers its parameters in the
  /// builder's layout. `arguments` are checked and complete. Throws InputError if it cannot take
  /// such an input.
  std::unique_ptr<Layer> (*make)(const std::map<std::string, double>& arguments,
                                 LayerBuilder& builder);
};

/// The kind of layer whose body and shortcut are lists of layers; it is no row of the table.
constexpr const char* kResidual = "residual";

/// conv, batch_norm, relu, max_pool, average_pool, global_average_pool, dropout,
/// dense.
std::span<const LayerEntry> layer_table();

/// The row for a kind. Throws InputError, suggesting the nearest name.
const LayerEntry& layer_entry(const std::string& kind);

/// The spec with every argument filled in. Throws InputError for an unknown, missing or
/// out-of-range argument.
LayerSpec complete(const LayerSpec& spec);

/// How weights start.
enum class Initialization : std::uint8_t {
  uniform_fan_in,  ///< PyTorch's default: weights and biases uniform in ±1/√fan_in
  he,              ///< He et al. 2015: normal, variance 2/fan_in; biases 0
  xavier,          ///< Glorot and Bengio 2010: uniform in ±√(6/(fan_in + fan_out)); biases 0
};

/// A named network of the literature.
struct Preset {
  std::string name;
  std::string description;
  Shape input;  ///< the images it was made for; others of fitting size work, too
  Initialization initialization;
  std::vector<LayerSpec> layers;
};

/// pfl-cifar, resnet18, resnet8, toy4, wu-mnist, wu-mnist-small, wu-fashion, wu-cifar.
std::span<const Preset> preset_table();

/// Throws InputError, suggesting the nearest name.
const Preset& preset(const std::string& name);

}  // namespace redoubt
