#include "fl/attack/trigger/distributed.h"

#include <fmt/format.h>

#include "fl/attack/attackers.h"

namespace redoubt {

std::vector<PixelBlock> distributed_parts(const Shape& shape) {
  const bool large = shape.height >= 32;
  const int width = large ? 6 : 4;
  std::vector<PixelBlock> parts;
  for (const int row : {0, large ? 4 : 3}) {
    for (const int column : {0, large ? 9 : 6}) {
      parts.push_back({.row = row, .column = column, .height = 1, .width = width});
    }
  }
  return parts;
}

std::vector<PixelBlock> DistributedTrigger::parts_of(const Settings& settings, const Shape& shape) {
  return settings.parts.empty() ? distributed_parts(shape) : settings.parts;
}

void DistributedTrigger::check(const Settings& settings, const AttackConditions& conditions) {
  const std::vector<PixelBlock> parts = parts_of(settings, conditions.images);
  block_trigger(parts, settings.value, conditions.images);
  if (conditions.attack.redraw) {
    throw InputError(
        "attack.redraw and attack.trigger.kind distributed contradict one another; leave one out");
  }
  const auto attackers = static_cast<std::ptrdiff_t>(attacker_count(conditions.attack));
  if (attackers == 0 || attackers >= std::ssize(parts)) return;
  throw InputError(
      fmt::format("attack.trigger is distributed in {} parts, but attack.clients is {}: some would "
                  "be with nobody",
                  parts.size(), attackers));
}

void DistributedTrigger::plan(const Settings& settings, BackdoorPlanning& planning) {
  const Shape& shape = planning.dataset.shape;
  const std::vector<PixelBlock> parts = parts_of(settings, shape);
  planning.backdoor.goal.trigger =
      planning.triggers.add(block_trigger(parts, settings.value, shape));
  for (const PixelBlock& part : parts) {
    const Trigger own = block_trigger({&part, 1}, settings.value, shape);
    planning.backdoor.stamps.push_back(planning.triggers.add(own));
  }
  planning.measure_on_stamped_test_images();
}

}  // namespace redoubt
