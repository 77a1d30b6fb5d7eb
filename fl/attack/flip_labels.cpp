#include "fl/attack/flip_labels.h"

namespace redoubt {

void FlipLabels::edit_samples(const ClientRound& /*round*/, std::vector<kernels::Sample>& samples) {
  for (kernels::Sample& sample : samples) {
    if (!settings_.victim) {
      sample.label = static_cast<std::int16_t>(classes_ - 1 - sample.label);
    } else if (sample.label == *settings_.victim) {
      sample.label = static_cast<std::int16_t>(settings_.target);
    }
  }
}

void FlipLabels::check(const LabelFlipSettings& settings, const AttackConditions& conditions) {
  conditions.need_goal("attack.untargeted.label-flip.", settings.victim, settings.target);
}

}  // namespace redoubt
