// What a layer is: a forward and a backward pass over a whole fleet at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/random.h"
#include "engine/parameter_layout.h"
#include "engine/shape.h"
#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt {

/// What the layers of one pass share: R replicas, each with its row of parameters and its batch of
/// N images. Pitch 0 in any view means that the replicas share it.
struct Pass {
  Context& context;
  int replicas = 1;
  int batch = 1;
  bool training = false;  ///< dropout drops, and the backward pass may follow
  kernels::Replicas<const float> parameters = {};  ///< [R][row]
  kernels::Replicas<float> gradients = {};         ///< [R][row]; backward only
  kernels::Replicas<const float> masks = {};  ///< [R][mask row]; absent: every channel is heard
  kernels::Replicas<double> record = {};  ///< [R][mask row]; absent: activations are not recorded
  /// [R] real images of each batch; needed to record, and where batch norm trains.
  const int* valid = nullptr;
  kernels::Replicas<float> statistics = {};  ///< [R][row] what batch norm moves; training only
  const RandomKey* keys = nullptr;           ///< [R]; needed where dropout trains
};

/// What a kind of layer does to the channels of its input.
enum class Channels : std::uint8_t {
  mixed,       ///< what comes out are no layer's channels: no ReLU behind can silence them
  kept,        ///< channel c comes from channel c, and is 0 where that is
  normalized,  ///< kept, by its tensors "weight" and "bias" of one number a channel
  made,        ///< its own: row c of its tensor "weight" makes channel c
};

/// The layer whose channels an activation has, so that a ReLU can silence them.
struct ChannelOwner {
  std::string producer = {};  ///< empty: there is none
  std::string norm = {};      ///< the batch norm since, or empty
};

/// Where a layer stands.
struct LayerPlace {
  int index = 0;             ///< in the network
  std::string name = {};     ///< of its tensors, if it has any: "conv1"
  bool relu_before = false;  ///< the layer also does the ReLU before it; max pooling only
  ChannelOwner owner = {};   ///< of its input's channels
};

/// What a layer builds itself from: the shape of its input, its place, and where its tensors go.
class LayerBuilder {
 public:
  LayerBuilder(const Shape& input, ParameterLayout& layout, const LayerPlace& place = {})
      : input_(input), layout_(layout), place_(place) {}

  const Shape& input() const { return input_; }
  const LayerPlace& place() const { return place_; }

  /// Adds a tensor of the layer, called by its part, "weight", and returns its offset in a row.
  std::int64_t add(ParameterSpan part);
  /// Lets the layer silence its input's channels, which nobody behind it then can. Returns their
  /// offset in a mask row, or -1 if they are no layer's.
  std::int64_t mask_channels();

  bool has_tensors() const { return has_tensors_; }
  /// Whether training steps any of its tensors.
  bool is_trained() const { return is_trained_; }

 private:
  Shape input_;
  ParameterLayout& layout_;
  LayerPlace place_;
  bool has_tensors_ = false;
  bool is_trained_ = false;
};

/// The values around a layer in the backward pass, each [R][shape][N].
struct LayerValues {
  kernels::Replicas<const float> input = {};
  kernels::Replicas<const float> output = {};
  kernels::Replicas<const std::uint8_t> state = {};
  kernels::Replicas<const float> grad_output = {};
  kernels::Replicas<float> grad_input = {};
};

/// One operation of a network with its parameters' places. Layers hold no activations and no
/// values, so one layer serves any number of threads. A class of layers has kName, kDescription and
/// Settings with keys() (base/keys.h), is made from (const Settings&, LayerBuilder&), and throws
/// InputError if it cannot take such an input.
class Layer {
 public:
  /// For a class of layers to hide by its own: what it does to channels, ...
  static constexpr Channels kChannels = Channels::mixed;
  /// ... and what its tensors are called, with a number; null: by kName.
  static constexpr const char* kTensors = nullptr;

  explicit Layer(Shape output) : output_(output) {}
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  const Shape& output() const { return output_; }

  /// output [R][output shape][N] from input [R][input shape][N]. `state` is what backward will need
  /// of this pass beside input and output; its size is state_bytes(N) a replica.
  virtual void forward(const Pass& pass, kernels::Replicas<const float> input,
                       kernels::Replicas<float> output,
                       kernels::Replicas<std::uint8_t> state) const = 0;

  /// Overwrites the gradients of the layer's parameters and grad_input. grad_input is absent for
  /// the first layer that has parameters: nobody needs it there.
  virtual void backward(const Pass& pass, const LayerValues& values) const = 0;

  virtual std::size_t state_bytes(int batch) const {
    static_cast<void>(batch);
    return 0;
  }

 private:
  Shape output_;
};

}  // namespace redoubt
