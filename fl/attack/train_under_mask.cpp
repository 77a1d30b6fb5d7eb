#include "fl/attack/train_under_mask.h"

namespace redoubt {

void TrainUnderMask::edit_mask(const ClientRound& /*round*/, const ActivityQuestion& question,
                               std::span<float> mask) {
  const ChannelSpan& layer = question.layout.conv_channels(settings_.layer);
  const std::vector<double> all = question.activity(question.own_samples);
  const std::vector<int> ranks =
      ascending_ranks(std::span(all).subspan(layer.offset, layer.channels));
  // As the server counts: 0.58 of 50 channels are 29, however the product is rounded.
  const auto pruned = static_cast<int>(settings_.rate * layer.channels + 1e-9);
  for (int c = 0; c < layer.channels; ++c) {
    if (ranks[c] < pruned) mask[layer.offset + c] = 0;
  }
}

void TrainUnderMask::check(const PruningAwareSettings& settings,
                           const AttackConditions& conditions) {
  conditions.layout.conv_channels_of("attack.pruning_aware.layer", settings.layer);
}

}  // namespace redoubt
