#include "fl/attack/evade.h"

#include <algorithm>

#include "fl/attack/settings.h"

namespace redoubt {

Evade::Evade(const EvasionSettings& settings, const AttackEnvironment& environment)
    : settings_(settings) {
  if (settings.metric != EvasionSettings::Metric::cosine) return;
  std::vector<float> trained(environment.network.layout().row_size());
  for (const ColumnRange& range : environment.network.trained_tensors()) {
    std::fill_n(trained.begin() + range.offset, range.size, 1.0F);
  }
  trained_ = {environment.device, std::span<const float>(trained)};
}

void Evade::edit_objective(const ClientRound& round, Objective& objective) {
  kernels::DistanceShare distance = {.rho = static_cast<float>(settings_.rho),
                                     .anchor = round.global};
  if (settings_.metric == EvasionSettings::Metric::l2) {
    objective.terms.add(SquaredDistance(distance));
  } else if (round.last_step != nullptr) {
    distance.direction = round.last_step;
    distance.counted = trained_.data();
    objective.terms.add(CosineDistance(distance));
  }
}

void Evade::check(const EvasionSettings& settings, const AttackConditions& conditions) {
  if (settings.metric != EvasionSettings::Metric::cosine) return;
  const std::optional<int>& to_round = conditions.attack.to_round;
  if (std::min(to_round.value_or(conditions.last_round), conditions.last_round) != 1) return;
  throw InputError(
      "attack.evade.metric is cosine, and the attack is over after round 1; what it compares with, "
      "the global model's last step, there is from round 2 on");
}

}  // namespace redoubt
