#include "engine/network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "kernels/profile.h"
#include "kernels/rows.h"

namespace redoubt {

namespace {

NetworkBuilder built(const Shape& input, std::span<const LayerSpec> specs) {
  NetworkBuilder builder(input);
  builder.append(specs);
  return builder;
}

}  // namespace

Network::Network(const Shape& input, int classes, std::span<const LayerSpec> specs)
    : Network(built(input, specs), classes) {}

Network::Network(NetworkBuilder builder, int classes)
    : input_(builder.input()),
      classes_(classes),
      layout_(builder.layout()),
      nodes_(std::move(builder.nodes())) {
  if (nodes_.empty()) throw InputError("model: there are no layers");
  const Shape& output = builder.end().shape;
  if (output.size() != classes) {
    throw InputError("model: the last layer gives " + to_string(output) +
                     " numbers an image; the data set has " + std::to_string(classes) + " classes");
  }
  const auto trained = std::find_if(nodes_.begin(), nodes_.end(),
                                    [](const NetworkNode& node) { return node.trained; });
  if (trained == nodes_.end()) throw InputError("model: no layer has parameters to train");
  first_trained_ = static_cast<int>(trained - nodes_.begin());
  place_gradients();
  trained_ranges_ = layout_.trained_ranges();
  statistic_ranges_ = layout_.statistic_ranges();
  trained_tensors_ = layout_.trained_tensors();
}

std::optional<int> Network::fewest_normalized() const {
  std::optional<int> fewest;
  for (const NetworkNode& node : nodes_) {
    if (dynamic_cast<const BatchNorm*>(node.layer.get()) == nullptr) continue;
    fewest = std::min(fewest.value_or(node.output.positions()), node.output.positions());
  }
  return fewest;
}

/// Finds a buffer for each activation's gradient, from the last layer back: it is taken by the
/// first layer to write it and free once the layer that made the activation has read it. A sum's
/// gradient also is its first summand's.
void Network::place_gradients() {
  slots_.assign(nodes_.size() + 1, -1);
  std::vector<int> free;
  const auto take = [&] {
    if (free.empty()) return slot_count_++;
    const int slot = free.back();
    free.pop_back();
    return slot;
  };
  slots_.back() = take();
  for (int i = layer_count() - 1; i >= first_trained_; --i) {
    NetworkNode& own = nodes_[i];
    int& slot = slots_[own.input];
    const int of_output = gradient_slot(i + 1);
    if (own.skip >= 0) {
      int& skip = slots_[own.skip];
      own.adds_gradient = skip >= 0;
      if (skip < 0) skip = take();
      check(slot < 0, "the body of a residual is read by its sum only");
      slot = of_output;
      continue;
    }
    own.adds_gradient = slot >= 0;
    if (slot < 0) slot = take();
    free.push_back(of_output);
  }
  // The spare one, for gradients that are added to others.
  const bool joins = std::any_of(nodes_.begin(), nodes_.end(),
                                 [](const NetworkNode& node) { return node.skip >= 0; });
  if (joins) ++slot_count_;
}

std::size_t Network::state_bytes(int index, int batch) const {
  // Floats may lie there.
  constexpr std::size_t kAlignment = 64;
  if (!node(index).layer) return 0;
  return (node(index).layer->state_bytes(batch) + kAlignment - 1) / kAlignment * kAlignment;
}

void Network::forward(const Pass& pass, Workspace& workspace, int first) const {
  forward(pass, workspace, first, layer_count());
}

void Network::forward(const Pass& pass, Workspace& workspace, int first, int last) const {
  for (int i = first; i < last; ++i) {
    const NetworkNode& own = node(i);
    const kernels::ProfileRange range(pass.context.device(), own.forward_range.c_str());
    if (!own.layer) {
      add_forward(pass, workspace, i);
      continue;
    }
    own.layer->forward(pass, workspace.activation(own.input), workspace.activation(i + 1),
                       workspace.state(i));
  }
}

void Network::add_forward(const Pass& pass, Workspace& workspace, int index) const {
  const std::int64_t size = node(index).output.size() * pass.batch;
  kernels::add_rows(pass.context, {.rows = pass.replicas, .columns = size},
                    workspace.activation(node(index).input), workspace.activation(node(index).skip),
                    workspace.activation(index + 1));
}

void Network::backward(const Pass& pass, Workspace& workspace) const {
  for (int i = layer_count() - 1; i >= first_trained_; --i) {
    const NetworkNode& own = node(i);
    const kernels::ProfileRange range(pass.context.device(), own.backward_range.c_str());
    if (own.layer) {
      layer_backward(pass, workspace, i);
    } else if (needs_gradient(own.skip)) {
      // The first summand's gradient lies where the sum's does; the other's is a copy, or is added
      // to what another sum of the same summand has left.
      add_backward(pass, workspace, i);
    }
  }
}

void Network::add_backward(const Pass& pass, Workspace& workspace, int index) const {
  const kernels::Replicas<float> to = workspace.gradient(node(index).skip);
  const kernels::Replicas<float> from = workspace.gradient(index + 1);
  const std::int64_t size = node(index).output.size() * pass.batch;
  if (node(index).adds_gradient) {
    kernels::axpy_rows(pass.context, {.rows = pass.replicas, .columns = size}, 1, from, to);
    return;
  }
  pass.context.copy_on_device(to.data, from.data,
                              static_cast<std::size_t>(pass.replicas * size) * sizeof(float));
}

void Network::layer_backward(const Pass& pass, Workspace& workspace, int index) const {
  const NetworkNode& own = node(index);
  kernels::Replicas<float> grad_input;
  if (needs_gradient(own.input)) {
    grad_input =
        own.adds_gradient ? workspace.spare_gradient(own.input) : workspace.gradient(own.input);
  }
  own.layer->backward(pass, {.input = workspace.activation(own.input),
                             .output = workspace.activation(index + 1),
                             .state = workspace.state(index),
                             .grad_output = workspace.gradient(index + 1),
                             .grad_input = grad_input});
  if (!grad_input || !own.adds_gradient) return;
  const Shape& shape = own.input == 0 ? input_ : output(own.input - 1);
  kernels::axpy_rows(pass.context, {.rows = pass.replicas, .columns = shape.size() * pass.batch}, 1,
                     grad_input, workspace.gradient(own.input));
}

std::size_t Workspace::replica_bytes(const Network& network, int batch, bool training) {
  auto largest = static_cast<std::size_t>(network.input().size());
  std::size_t floats = largest;
  std::size_t state_bytes = 0;
  for (int i = 0; i < network.layer_count(); ++i) {
    const auto output = static_cast<std::size_t>(network.output(i).size());
    floats += output;
    largest = std::max(largest, output);
    state_bytes += network.state_bytes(i, batch);
  }
  if (training) floats += static_cast<std::size_t>(network.gradient_slots()) * largest;
  return floats * static_cast<std::size_t>(batch) * sizeof(float) + state_bytes;
}

Workspace::Workspace(const Network& network, Device device, int replicas, int batch, bool training)
    : replicas_(replicas),
      batch_(batch),
      labels_(device, std::int64_t{replicas} * batch),
      valid_(device, replicas) {
  sizes_.push_back(network.input().size() * batch);
  for (int i = 0; i < network.layer_count(); ++i) {
    sizes_.push_back(network.output(i).size() * batch);
    const auto bytes = static_cast<std::int64_t>(network.state_bytes(i, batch));
    states_.emplace_back(device, bytes * replicas);
  }
  for (const std::int64_t size : sizes_) activations_.emplace_back(device, size * replicas);
  if (!training) return;
  const std::int64_t largest = *std::max_element(sizes_.begin(), sizes_.end());
  for (int i = 0; i < network.gradient_slots(); ++i) {
    gradients_.emplace_back(device, largest * replicas);
  }
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    slots_.push_back(network.gradient_slot(static_cast<int>(i)));
  }
}

}  // namespace redoubt
