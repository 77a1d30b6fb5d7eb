// Puts a network together, layer by layer: names tensors by counting, knows whose channels a ReLU
// silences, and merges a ReLU into the max pooling after it.
#pragma once

#include <concepts>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/limits_check.h"
#include "engine/layer.h"
#include "engine/layer_spec.h"

namespace redoubt {

/// A layer and what it reads. Activation 0 is the input, activation i + 1 what node i gives.
struct NetworkNode {
  std::unique_ptr<Layer> layer;  ///< null: the sum of activations `input` and `skip`
  int input = 0;
  int skip = -1;
  /// To what a layer behind has left for its input, or a sum behind for its skip.
  bool adds_gradient = false;
  bool trained = false;  ///< it has parameters
  Shape output;
  std::string forward_range;  ///< what a profiler calls its passes
  std::string backward_range;
};

class NetworkBuilder {
 public:
  /// An activation, and whose channels it has.
  struct Point {
    int activation = 0;
    Shape shape;
    ChannelOwner owner = {};
  };

  explicit NetworkBuilder(const Shape& input) : input_(input), end_{.shape = input} {}

  const Shape& input() const { return input_; }
  /// What the next layer reads: what the last one gave.
  const Point& end() const { return end_; }
  /// Lets the next layer read another activation.
  void go_on_from(const Point& point) { end_ = point; }

  /// Throws InputError that names the layer, by its number in the list.
  void append(std::span<const LayerSpec> specs);
  /// A layer of any class, also of one that is in no list. `name`: of its tensors.
  template <class L>
  void append(const typename L::Settings& settings, const std::string& name = {}) {
    check_limits(L::kName, settings);
    if constexpr (std::derived_from<L, Layer>) {
      const char* tensors = L::kTensors != nullptr ? L::kTensors : L::kName;
      LayerBuilder builder = start_layer(tensors, name);
      end_layer(L::kName, tensors, L::kChannels, std::make_unique<L>(settings, builder), builder);
    } else {
      if (!name.empty()) throw InputError(L::kName + std::string(" has no tensors to be named"));
      L::append(settings, *this);
    }
  }
  /// The sum of two activations of one shape.
  void append_sum(const Point& first, const Point& second);

  const ParameterLayout& layout() const { return layout_; }
  std::vector<NetworkNode>& nodes() { return nodes_; }

 private:
  void append(const LayerSpec& spec);
  LayerBuilder start_layer(const std::string& tensors, const std::string& name);
  void end_layer(const char* kind, const std::string& tensors, Channels channels,
                 std::unique_ptr<Layer> layer, const LayerBuilder& builder);
  ChannelOwner owner_after(Channels channels, const Shape& output,
                           const LayerBuilder& builder) const;

  Shape input_;
  Point end_;
  ParameterLayout layout_;
  std::vector<NetworkNode> nodes_;
  std::map<std::string, int> counts_;  ///< layers with tensors so far, by what those are called
  bool relu_before_ = false;           ///< the next layer also does a ReLU
};

}  // namespace redoubt
