// What a layer is: a forward and a backward pass over a whole fleet at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
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

/// What a layer gets to build itself from.
struct LayerBuilder {
  Shape input;
  ParameterLayout& layout;
  int place = 0;         ///< the layer's index in the network
  std::string producer;  ///< name of the conv or dense layer whose outputs come in
  bool producer_is_conv = false;
  std::string norm = {};     ///< name of the batch norm between the producer and this layer
  std::string name = {};     ///< given by the specification, else made by counting
  bool relu_before = false;  ///< a max pooling layer also does the ReLU before it
  int conv_layers = 0;       ///< so far, for names: conv1, conv2, ...
  int dense_layers = 0;      ///< so far, for names: fc1, fc2, ...
  int norm_layers = 0;       ///< so far, for names: bn1, bn2, ...

  /// The layer's own name, or "conv3" by its count.
  std::string take_name(const char* kind, int& count) {
    ++count;
    return name.empty() ? kind + std::to_string(count) : name;
  }
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
/// values, so one layer serves any number of threads.
class Layer {
 public:
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

  bool has_parameters() const { return has_parameters_; }
  /// Whether training needs Pass::valid and Pass::statistics.
  virtual bool normalizes() const { return false; }

 protected:
  void set_has_parameters() { has_parameters_ = true; }

 private:
  Shape output_;
  bool has_parameters_ = false;
};

}  // namespace redoubt
