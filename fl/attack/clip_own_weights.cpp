#include "fl/attack/clip_own_weights.h"

namespace redoubt {

void ClipOwnWeights::edit_objective(const ClientRound& /*round*/, Objective& objective) {
  objective.terms.add(clip_);
}

void ClipOwnWeights::check(const SelfClipSettings& settings, const AttackConditions& conditions) {
  conditions.layout.conv_channels_of("attack.self_clip.layer", settings.layer);
}

}  // namespace redoubt
