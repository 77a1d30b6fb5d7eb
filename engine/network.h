// A network: layers, the layout of their parameters, and its passes over a fleet. Layers stand in
// the order in which they run; each reads one activation, that of the layer before it unless a
// residual connection starts or joins there.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/buffer.h"
#include "engine/network_builder.h"

namespace redoubt {

class Workspace;

class Network {
 public:
  /// Builds the layers for images of shape `input`. Throws InputError, naming the layer, if one
  /// cannot take what the one before it gives, or if the last does not give `classes` numbers.
  Network(const Shape& input, int classes, std::span<const LayerSpec> specs);
  /// The same of layers that were put together one by one.
  Network(NetworkBuilder builder, int classes);

  const Shape& input() const { return input_; }
  int classes() const { return classes_; }
  const ParameterLayout& layout() const { return layout_; }
  int layer_count() const { return static_cast<int>(nodes_.size()); }
  /// The shape that layer `index` gives.
  const Shape& output(int index) const { return node(index).output; }
  /// Bytes that layer `index` keeps of a forward pass for its backward pass.
  std::size_t state_bytes(int index, int batch) const;
  /// Which of the workspace's gradient buffers holds the gradient of activation `index`; how many
  /// there are, and the one that a layer's gradient goes into before it is added to another's.
  int gradient_slot(int index) const { return slots_[index]; }
  int gradient_slots() const { return slot_count_; }
  /// Those of layout(), once and for all.
  const std::vector<ColumnRange>& trained_ranges() const { return trained_ranges_; }
  const std::vector<ColumnRange>& statistic_ranges() const { return statistic_ranges_; }
  const std::vector<ColumnRange>& trained_tensors() const { return trained_tensors_; }
  /// Values that an image gives to a channel of a batch norm, where those are the fewest; absent
  /// without one.
  std::optional<int> fewest_normalized() const;
  /// Whether training moves running statistics.
  bool normalizes() const { return layout_.has_statistics(); }

  /// Runs layers [first, layer_count()) on the workspace's activation `first` (0 is the input).
  void forward(const Pass& pass, Workspace& workspace, int first = 0) const;
  /// Runs layers [first, last).
  void forward(const Pass& pass, Workspace& workspace, int first, int last) const;

  /// Takes the gradient of the logits in workspace.logit_gradient() back to every parameter, after
  /// a whole forward pass in the same workspace.
  void backward(const Pass& pass, Workspace& workspace) const;

 private:
  const NetworkNode& node(int index) const { return nodes_[index]; }

  void place_gradients();
  /// Whether training needs the gradient of an activation.
  bool needs_gradient(int activation) const { return activation > first_trained_; }
  void add_forward(const Pass& pass, Workspace& workspace, int index) const;
  void add_backward(const Pass& pass, Workspace& workspace, int index) const;
  void layer_backward(const Pass& pass, Workspace& workspace, int index) const;

  Shape input_;
  int classes_;
  ParameterLayout layout_;
  std::vector<NetworkNode> nodes_;
  int first_trained_ = 0;   ///< the first layer with parameters: gradients stop there
  std::vector<int> slots_;  ///< [activations]
  int slot_count_ = 0;
  std::vector<ColumnRange> trained_ranges_;
  std::vector<ColumnRange> statistic_ranges_;
  std::vector<ColumnRange> trained_tensors_;
};

/// The memory of a pass: activations [R][shape][N] between layers, their gradients, and layer
/// states. Gradients share as few buffers as can be: two where layers stand in a row. Made once,
/// used for every step.
class Workspace {
 public:
  Workspace(const Network& network, Device device, int replicas, int batch, bool training);

  /// Bytes that each replica takes.
  static std::size_t replica_bytes(const Network& network, int batch, bool training);

  int replicas() const { return replicas_; }
  int batch() const { return batch_; }

  /// What goes into layer `index`; the last one holds the logits.
  kernels::Replicas<float> activation(int index) {
    return activations_[index].replicas(size(index));
  }
  kernels::Replicas<float> logits() { return activation(static_cast<int>(sizes_.size()) - 1); }
  /// The gradient of activation `index`; a training workspace only.
  kernels::Replicas<float> gradient(int index) {
    return gradients_[slots_[index]].replicas(size(index));
  }
  /// Memory for one more gradient of activation `index`, to be added to the other.
  kernels::Replicas<float> spare_gradient(int index) {
    return gradients_.back().replicas(size(index));
  }
  kernels::Replicas<float> logit_gradient() {
    return gradient(static_cast<int>(sizes_.size()) - 1);
  }
  kernels::Replicas<std::uint8_t> state(int layer) {
    return states_[layer].replicas(states_[layer].count() / replicas_);
  }
  kernels::Replicas<std::int32_t> labels() { return labels_.replicas(batch_); }
  /// [R] images of each batch that are no padding; filled where the network normalises.
  int* valid() { return valid_.data(); }

 private:
  std::int64_t size(int index) const { return sizes_[index]; }

  int replicas_;
  int batch_;
  std::vector<std::int64_t> sizes_;  ///< floats of each activation of one replica
  std::vector<Buffer<float>> activations_;
  std::vector<Buffer<float>> gradients_;
  std::vector<Buffer<std::uint8_t>> states_;
  std::vector<int> slots_;  ///< [activations] their gradients' buffers
  Buffer<std::int32_t> labels_;
  Buffer<int> valid_;
};

}  // namespace redoubt
