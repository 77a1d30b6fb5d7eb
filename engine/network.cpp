#include "engine/network.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/profile.h"

namespace redoubt {

Network::Network(const Shape& input, int classes, std::span<const LayerSpec> specs)
    : input_(input), classes_(classes) {
  LayerBuilder builder = {.input = input, .layout = layout_, .producer = ""};
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const LayerSpec spec = complete(specs[i]);
    // ReLU and the max pooling after it are one layer, so that both take one pass over memory.
    if (spec.kind == "relu" && i + 1 < specs.size() && specs[i + 1].kind == "max_pool") {
      builder.relu_before = true;
      continue;
    }
    builder.place = layer_count();
    try {
      layers_.push_back(layer_entry(spec.kind).make(spec.arguments, builder));
    } catch (const InputError& error) {
      throw InputError("model: layer " + std::to_string(i + 1) + ": " + error.what());
    }
    const std::string name = std::to_string(builder.place + 1) + " " +
                             (builder.relu_before ? "relu + " : "") + spec.kind;
    ranges_.push_back({.forward = name + " forward", .backward = name + " backward"});
    builder.relu_before = false;
    builder.input = layers_.back()->output();
  }
  if (layers_.empty()) throw InputError("model: there are no layers");
  if (builder.input.size() != classes) {
    throw InputError("model: the last layer gives " + to_string(builder.input) +
                     " numbers an image; the data set has " + std::to_string(classes) + " classes");
  }
  const auto trained = std::find_if(layers_.begin(), layers_.end(),
                                    [](const auto& layer) { return layer->has_parameters(); });
  if (trained == layers_.end()) throw InputError("model: no layer has parameters to train");
  first_trained_ = static_cast<int>(trained - layers_.begin());
}

void Network::forward(const Pass& pass, Workspace& workspace, int first) const {
  forward(pass, workspace, first, layer_count());
}

void Network::forward(const Pass& pass, Workspace& workspace, int first, int last) const {
  for (int i = first; i < last; ++i) {
    const kernels::ProfileRange range(pass.context.device(), ranges(i).forward.c_str());
    layer(i).forward(pass, workspace.activation(i), workspace.activation(i + 1),
                     workspace.state(i));
  }
}

void Network::backward(const Pass& pass, Workspace& workspace) const {
  for (int i = layer_count() - 1; i >= first_trained_; --i) {
    const kernels::ProfileRange range(pass.context.device(), ranges(i).backward.c_str());
    layer(i).backward(pass, {.input = workspace.activation(i),
                             .output = workspace.activation(i + 1),
                             .state = workspace.state(i),
                             .grad_output = workspace.gradient(i + 1),
                             .grad_input = i == first_trained_ ? kernels::Replicas<float>()
                                                               : workspace.gradient(i)});
  }
}

std::size_t Workspace::replica_bytes(const Network& network, int batch, bool training) {
  auto largest = static_cast<std::size_t>(network.input().size());
  std::size_t floats = largest;
  std::size_t state_bytes = 0;
  for (int i = 0; i < network.layer_count(); ++i) {
    const auto output = static_cast<std::size_t>(network.layer(i).output().size());
    floats += output;
    largest = std::max(largest, output);
    state_bytes += network.layer(i).state_bytes(batch);
  }
  if (training) floats += 2 * largest;
  return floats * static_cast<std::size_t>(batch) * sizeof(float) + state_bytes;
}

Workspace::Workspace(const Network& network, Device device, int replicas, int batch, bool training)
    : replicas_(replicas), batch_(batch), labels_(device, std::int64_t{replicas} * batch) {
  sizes_.push_back(network.input().size() * batch);
  for (int i = 0; i < network.layer_count(); ++i) {
    sizes_.push_back(network.layer(i).output().size() * batch);
    const auto bytes = static_cast<std::int64_t>(network.layer(i).state_bytes(batch));
    states_.emplace_back(device, bytes * replicas);
  }
  for (const std::int64_t size : sizes_) activations_.emplace_back(device, size * replicas);
  if (!training) return;
  const std::int64_t largest = *std::max_element(sizes_.begin(), sizes_.end());
  for (int i = 0; i < 2; ++i) gradients_.emplace_back(device, largest * replicas);
}

}  // namespace redoubt
