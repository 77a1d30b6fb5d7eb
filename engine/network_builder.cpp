#include "engine/network_builder.h"

#include <utility>
#include <variant>

namespace redoubt {

void NetworkBuilder::append(std::span<const LayerSpec> specs) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    // ReLU and the max pooling after it are one layer, so that both take one pass over memory.
    if (std::holds_alternative<Relu::Settings>(specs[i].layer) && i + 1 < specs.size() &&
        std::holds_alternative<MaxPool::Settings>(specs[i + 1].layer)) {
      relu_before_ = true;
      continue;
    }
    try {
      append(specs[i]);
    } catch (const InputError& error) {
      const std::string message = error.what();
      if (message.starts_with("model: ")) throw;
      throw InputError("model: layer " + std::to_string(i + 1) + ": " + message);
    }
  }
}

void NetworkBuilder::append(const LayerSpec& spec) {
  Layers::with_class(spec.layer, [&]<class L>(const typename L::Settings& settings) {
    append<L>(settings, spec.name);
  });
}

LayerBuilder NetworkBuilder::start_layer(const std::string& tensors, const std::string& name) {
  return {end_.shape,
          layout_,
          {.index = static_cast<int>(nodes_.size()),
           .name = name.empty() ? tensors + std::to_string(counts_[tensors] + 1) : name,
           .relu_before = relu_before_,
           .owner = end_.owner}};
}

void NetworkBuilder::end_layer(const char* kind, const std::string& tensors, Channels channels,
                               std::unique_ptr<Layer> layer, const LayerBuilder& builder) {
  if (builder.has_tensors()) ++counts_[tensors];
  const Shape output = layer->output();
  const std::string name = std::to_string(nodes_.size() + 1) + " " +
                           (std::exchange(relu_before_, false) ? "relu + " : "") + kind;
  nodes_.push_back({.layer = std::move(layer),
                    .input = end_.activation,
                    .trained = builder.is_trained(),
                    .output = output,
                    .forward_range = name + " forward",
                    .backward_range = name + " backward"});
  end_ = {.activation = static_cast<int>(nodes_.size()),
          .shape = output,
          .owner = owner_after(channels, output, builder)};
}

ChannelOwner NetworkBuilder::owner_after(Channels channels, const Shape& output,
                                         const LayerBuilder& builder) const {
  ChannelOwner owner = builder.place().owner;
  switch (channels) {
    case Channels::mixed:
      return {};
    case Channels::made: {
      const ParameterSpan* weight = layout_.find(builder.place().name + ".weight");
      check(weight != nullptr && weight->shape.front() == output.channels,
            "a layer that makes channels has a row of its weight for each");
      return {.producer = builder.place().name};
    }
    case Channels::normalized:
      owner.norm = builder.place().name;
      break;
    case Channels::kept:
      break;
  }
  check(output.channels == builder.input().channels, "a layer that keeps channels has as many");
  return owner;
}

void NetworkBuilder::append_sum(const Point& first, const Point& second) {
  check(first.shape == second.shape, "activations of one shape are added");
  for (const Point& point : {first, second}) {
    if (!point.owner.producer.empty()) layout_.add_joined(point.owner.producer);
  }
  const std::string name = std::to_string(nodes_.size() + 1) + " add";
  nodes_.push_back({.layer = nullptr,
                    .input = first.activation,
                    .skip = second.activation,
                    .output = first.shape,
                    .forward_range = name + " forward",
                    .backward_range = name + " backward"});
  // What comes out belongs to two layers: a ReLU after it silences neither.
  end_ = {.activation = static_cast<int>(nodes_.size()), .shape = first.shape};
}

}  // namespace redoubt
