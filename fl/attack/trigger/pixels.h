// A few pixels of a 3x3 block (Wu et al. 2020, section V-A and figure 1).
#pragma once

#include "fl/attack/trigger/planning.h"

namespace redoubt {

struct PixelTrigger {
  static constexpr const char* kName = "pixels";
  static constexpr const char* kDescription = "1, 3, 5, 7 or 9 pixels of a 3x3 block";
  using Settings = PixelTriggerSettings;

  /// Throws InputError, naming the key, for what cannot be stamped on such images.
  static void check(const Settings& settings, const AttackConditions& conditions);
  /// Throws InputError if the images do not allow it.
  static void plan(const Settings& settings, BackdoorPlanning& planning);
};

}  // namespace redoubt
