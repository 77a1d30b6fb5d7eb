// A network: layers in a row, the layout of their parameters, and its passes over a fleet.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/buffer.h"
#include "engine/layer.h"
#include "engine/layer_spec.h"
#include "engine/parameter_layout.h"

namespace redoubt {

class Workspace;

class Network {
 public:
  /// Builds the layers for images of shape `input`. Throws InputError, naming the layer, if one
  /// cannot take what the one before it gives, or if the last does not give `classes` numbers.
  Network(const Shape& input, int classes, std::span<const LayerSpec> specs);

  const Shape& input() const { return input_; }
  int classes() const { return classes_; }
  const ParameterLayout& layout() const { return layout_; }
  int layer_count() const { return static_cast<int>(layers_.size()); }
  const Layer& layer(int index) const { return *layers_[static_cast<std::size_t>(index)]; }

  /// Runs layers [first, layer_count()) on the workspace's activation `first` (0 is the input).
  void forward(const Pass& pass, Workspace& workspace, int first = 0) const;
  /// Runs layers [first, last).
  void forward(const Pass& pass, Workspace& workspace, int first, int last) const;

  /// Takes the gradient of the logits in workspace.logit_gradient() back to every parameter, after
  /// a whole forward pass in the same workspace.
  void backward(const Pass& pass, Workspace& workspace) const;

 private:
  /// What a profiler calls a layer's passes.
  struct RangeNames {
    std::string forward;
    std::string backward;
  };
  const RangeNames& ranges(int layer) const { return ranges_[static_cast<std::size_t>(layer)]; }

  Shape input_;
  int classes_;
  ParameterLayout layout_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<RangeNames> ranges_;
  int first_trained_ = 0;  ///< the first layer with parameters: gradients stop there
};

/// The memory of a pass: activations [R][shape][N] between layers, their gradients, and layer
/// states. Made once, used for every step.
class Workspace {
 public:
  Workspace(const Network& network, Device device, int replicas, int batch, bool training);

  /// Bytes that each replica takes.
  static std::size_t replica_bytes(const Network& network, int batch, bool training);

  int replicas() const { return replicas_; }
  int batch() const { return batch_; }

  /// What goes into layer `index`; the last one holds the logits.
  kernels::Replicas<float> activation(int index) {
    return activations_[static_cast<std::size_t>(index)].replicas(size(index));
  }
  kernels::Replicas<float> logits() { return activation(static_cast<int>(sizes_.size()) - 1); }
  /// The gradient of activation `index`. Two buffers take turns; a training workspace only.
  kernels::Replicas<float> gradient(int index) {
    return gradients_[static_cast<std::size_t>(index % 2)].replicas(size(index));
  }
  kernels::Replicas<float> logit_gradient() {
    return gradient(static_cast<int>(sizes_.size()) - 1);
  }
  kernels::Replicas<std::uint8_t> state(int layer) {
    return states_[static_cast<std::size_t>(layer)].replicas(
        states_[static_cast<std::size_t>(layer)].count() / replicas_);
  }
  kernels::Replicas<std::int32_t> labels() { return labels_.replicas(batch_); }

 private:
  std::int64_t size(int index) const { return sizes_[static_cast<std::size_t>(index)]; }

  int replicas_;
  int batch_;
  std::vector<std::int64_t> sizes_;  ///< floats of each activation of one replica
  std::vector<Buffer<float>> activations_;
  std::vector<Buffer<float>> gradients_;
  std::vector<Buffer<std::uint8_t>> states_;
  Buffer<std::int32_t> labels_;
};

}  // namespace redoubt
