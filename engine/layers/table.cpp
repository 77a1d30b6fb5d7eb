// The table of layers. A new layer is one file beside this one and one row here.
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/nearest_name.h"
#include "engine/layer_spec.h"
#include "engine/layers/batch_norm.h"
#include "engine/layers/conv.h"
#include "engine/layers/dense.h"
#include "engine/layers/dropout.h"
#include "engine/layers/pool.h"
#include "engine/layers/relu.h"

namespace redoubt {

std::span<const LayerEntry> layer_table() {
  static const std::vector<LayerEntry> table = {
      {.kind = "conv",
       .description = "convolution; bias 0 leaves the bias out",
       .arguments = {{.name = "channels",
                      .required = true,
                      .low = 1,
                      .high = 65536,
                      .help = "output channels"},
                     {.name = "kernel",
                      .required = true,
                      .low = 1,
                      .high = 64,
                      .help = "height and width of the kernel"},
                     {.name = "stride",
                      .fallback = 1,
                      .low = 1,
                      .high = 64,
                      .help = "distance between outputs, in both directions"},
                     {.name = "padding",
                      .fallback = 0,
                      .low = 0,
                      .high = 63,
                      .help = "zeros around the image"},
                     {.name = "bias",
                      .fallback = 1,
                      .low = 0,
                      .high = 1,
                      .help = "1: a bias for each channel; 0: none"}},
       .make = Conv::make},
      {.kind = "batch_norm",
       .description = "batch normalisation with running statistics",
       .arguments = {{.name = "epsilon",
                      .fallback = 1e-5,
                      .low = 1e-12,
                      .high = 1,
                      .whole = false,
                      .help = "added to the variance"},
                     {.name = "momentum",
                      .fallback = 0.1,
                      .low = 0,
                      .high = 1,
                      .whole = false,
                      .help = "share of a new batch in the running statistics"}},
       .make = BatchNorm::make},
      {.kind = "relu", .description = "ReLU", .arguments = {}, .make = Relu::make},
      {.kind = "max_pool",
       .description = "max pooling; stride 0 is the window's size",
       .arguments = {{.name = "window",
                      .required = true,
                      .low = 1,
                      .high = 15,
                      .help = "height and width of the window"},
                     {.name = "stride",
                      .fallback = 0,
                      .low = 0,
                      .high = 64,
                      .help = "distance between windows; 0: the window's size"}},
       .make = MaxPool::make},
      {.kind = "average_pool",
       .description = "average pooling; stride 0 is the window's size",
       .arguments = {{.name = "window",
                      .required = true,
                      .low = 1,
                      .high = 64,
                      .help = "height and width of the window"},
                     {.name = "stride",
                      .fallback = 0,
                      .low = 0,
                      .high = 64,
                      .help = "distance between windows; 0: the window's size"}},
       .make = AveragePool::make},
      {.kind = "global_average_pool",
       .description = "the mean over all positions of a square input",
       .arguments = {},
       .make = AveragePool::make_global},
      {.kind = "dropout",
       .description = "inverted dropout, while training",
       .arguments = {{.name = "rate",
                      .required = true,
                      .low = 0,
                      .high = 0.99,
                      .whole = false,
                      .help = "share of the values that are dropped"}},
       .make = Dropout::make},
      {.kind = "dense",
       .description = "fully connected layer with bias",
       .arguments = {{.name = "units",
                      .required = true,
                      .low = 1,
                      .high = 1048576,
                      .help = "numbers that come out"}},
       .make = Dense::make},
  };
  return table;
}

const LayerEntry& layer_entry(const std::string& kind) {
  std::vector<std::string> kinds;
  for (const LayerEntry& entry : layer_table()) {
    if (entry.kind == kind) return entry;
    kinds.push_back(entry.kind);
  }
  throw InputError("unknown layer \"" + kind + "\"" + suggestion(kind, kinds));
}

namespace {

double checked(const std::string& kind, const LayerArgument& argument, double value) {
  if (value >= argument.low && value <= argument.high &&
      (!argument.whole || value == std::floor(value))) {
    return value;
  }
  const auto number = [](double x) {
    std::string text = std::to_string(x);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  throw InputError(kind + "." + argument.name + " is " + number(value) + "; it must be a " +
                   (argument.whole ? "whole " : "") + "number from " + number(argument.low) +
                   " to " + number(argument.high));
}

}  // namespace

LayerSpec complete(const LayerSpec& spec) {
  const LayerEntry& entry = layer_entry(spec.kind);
  LayerSpec completed = {.kind = spec.kind, .arguments = {}, .name = spec.name};
  std::vector<std::string> names;
  for (const LayerArgument& argument : entry.arguments) {
    names.push_back(argument.name);
    const auto given = spec.arguments.find(argument.name);
    if (given == spec.arguments.end() && argument.required) {
      throw InputError("layer " + spec.kind + " needs " + argument.name);
    }
    completed.arguments[argument.name] = given == spec.arguments.end()
                                             ? argument.fallback
                                             : checked(spec.kind, argument, given->second);
  }
  for (const auto& [name, value] : spec.arguments) {
    if (!completed.arguments.contains(name)) {
      throw InputError("layer " + spec.kind + " has no argument \"" + name + "\"" +
                       suggestion(name, names));
    }
  }
  return completed;
}

bool LayerSpec::operator==(const LayerSpec& other) const {
  return kind == other.kind && arguments == other.arguments && name == other.name &&
         body == other.body && shortcut == other.shortcut;
}

}  // namespace redoubt
