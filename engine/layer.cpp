#include "engine/layer.h"

#include <utility>

namespace redoubt {

std::int64_t LayerBuilder::add(ParameterSpan part) {
  part.name = place_.name + "." + part.name;
  has_tensors_ = true;
  is_trained_ = is_trained_ || part.role != ParameterSpan::Role::statistic;
  return layout_.span(layout_.add(std::move(part))).offset;
}

std::int64_t LayerBuilder::mask_channels() {
  const ChannelOwner owner = std::exchange(place_.owner, {});
  if (owner.producer.empty()) return -1;
  return layout_.add_channels({.name = owner.producer,
                               .norm = owner.norm,
                               .layer = place_.index,
                               .channels = input_.channels});
}

}  // namespace redoubt
