#include "experiments/simulation/experiment.h"

namespace redoubt::experiments {

AttackSettings default_attack(const std::string& dataset) {
  AttackSettings attack;
  const int place = dataset == "mnist" ? 24 : (dataset.starts_with("synthetic") ? 4 : 2);
  attack.trigger = PixelTriggerSettings{.row = place, .column = place};
  return attack;
}

}  // namespace redoubt::experiments
