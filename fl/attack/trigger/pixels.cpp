#include "fl/attack/trigger/pixels.h"

namespace redoubt {

void PixelTrigger::check(const Settings& settings, const AttackConditions& conditions) {
  pixel_trigger(settings, conditions.images);
}

void PixelTrigger::plan(const Settings& settings, BackdoorPlanning& planning) {
  planning.stamp(pixel_trigger(settings, planning.dataset.shape));
}

}  // namespace redoubt
