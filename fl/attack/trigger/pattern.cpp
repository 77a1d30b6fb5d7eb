#include "fl/attack/trigger/pattern.h"

namespace redoubt {

void PatternTrigger::check(const Settings& settings, const AttackConditions& conditions) {
  block_trigger({&settings.block, 1}, settings.value, conditions.images);
}

void PatternTrigger::plan(const Settings& settings, BackdoorPlanning& planning) {
  planning.stamp(block_trigger({&settings.block, 1}, settings.value, planning.dataset.shape));
}

}  // namespace redoubt
