#include "engine/network.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/profile.h"
#include "kernels/rows.h"

namespace redoubt {

Network::Network(const Shape& input, int classes, std::span<const LayerSpec> specs)
    : input_(input), classes_(classes) {
  LayerBuilder builder = {.input = input, .layout = layout_, .producer = ""};
  int last = 0;
  append(specs, builder, last);
  if (nodes_.empty()) throw InputError("model: there are no layers");
  if (builder.input.size() != classes) {
    throw InputError("model: the last layer gives " + to_string(builder.input) +
                     " numbers an image; the data set has " + std::to_string(classes) + " classes");
  }
  const auto trained = std::find_if(nodes_.begin(), nodes_.end(), [](const Node& node) {
    return node.layer && node.layer->has_parameters();
  });
  if (trained == nodes_.end()) throw InputError("model: no layer has parameters to train");
  first_trained_ = static_cast<int>(trained - nodes_.begin());
  place_gradients();
  trained_ranges_ = layout_.trained_ranges();
  trained_tensors_ = layout_.trained_tensors();
}

/// Appends layers that read activation `from`, which then is the last one's output.
void Network::append(std::span<const LayerSpec> specs, LayerBuilder& builder, int& from) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    // ReLU and the max pooling after it are one layer, so that both take one pass over memory.
    const bool pooled =
        specs[i].kind == "relu" && i + 1 < specs.size() && specs[i + 1].kind == "max_pool";
    try {
      if (pooled) {
        complete(specs[i]);
        builder.relu_before = true;
        continue;
      }
      if (specs[i].kind == kResidual) {
        append_residual(specs[i], builder, from);
      } else {
        append_layer(complete(specs[i]), builder, from);
      }
    } catch (const InputError& error) {
      const std::string message = error.what();
      if (message.starts_with("model: ")) throw;
      throw InputError("model: layer " + std::to_string(i + 1) + ": " + message);
    }
  }
}

void Network::append_layer(const LayerSpec& spec, LayerBuilder& builder, int& from) {
  builder.place = layer_count();
  builder.name = spec.name;
  std::unique_ptr<Layer> layer = layer_entry(spec.kind).make(spec.arguments, builder);
  const std::string name =
      std::to_string(builder.place + 1) + " " + (builder.relu_before ? "relu + " : "") + spec.kind;
  builder.relu_before = false;
  builder.input = layer->output();
  normalizes_ = normalizes_ || layer->normalizes();
  nodes_.push_back({.layer = std::move(layer),
                    .input = from,
                    .output = builder.input,
                    .forward_range = name + " forward",
                    .backward_range = name + " backward"});
  from = layer_count();
}

void Network::append_residual(const LayerSpec& spec, LayerBuilder& builder, int& from) {
  const int start = from;
  const Shape input = builder.input;
  int body = start;
  builder.producer.clear();
  append(spec.body, builder, body);
  const Shape output = builder.input;
  if (!builder.producer.empty()) layout_.add_joined(builder.producer);

  int shortcut = start;
  builder.input = input;
  builder.producer.clear();
  append(spec.shortcut, builder, shortcut);
  if (!builder.producer.empty()) layout_.add_joined(builder.producer);
  if (body == start) throw InputError("residual: its body has no layers");
  if (output != builder.input) {
    throw InputError("residual: its body gives " + to_string(output) + ", its shortcut " +
                     to_string(builder.input));
  }
  // What comes out belongs to two layers: a ReLU after it silences neither.
  builder.producer.clear();
  builder.norm.clear();
  const std::string name = std::to_string(layer_count() + 1) + " add";
  nodes_.push_back({.layer = nullptr,
                    .input = body,
                    .skip = shortcut,
                    .output = output,
                    .forward_range = name + " forward",
                    .backward_range = name + " backward"});
  from = layer_count();
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
    Node& own = nodes_[static_cast<std::size_t>(i)];
    int& slot = slots_[static_cast<std::size_t>(own.input)];
    const int of_output = gradient_slot(i + 1);
    if (own.skip >= 0) {
      int& skip = slots_[static_cast<std::size_t>(own.skip)];
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
  const bool joins =
      std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.skip >= 0; });
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
    const Node& own = node(i);
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
    const Node& own = node(i);
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
  const Node& own = node(index);
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
