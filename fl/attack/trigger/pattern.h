// The pattern backdoor (Mi et al., section 5.1).
#pragma once

#include "fl/attack/trigger/planning.h"

namespace redoubt {

/// The pattern backdoor (Mi et al., section 5.1): a bright block, by default in the lower right
/// corner of a 28x28 image.
struct PatternTriggerSettings {
  PixelBlock block = {.row = 22, .column = 22, .height = 3, .width = 3};
  int value = 255;  ///< the byte stamped into every channel
  bool operator==(const PatternTriggerSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    PixelBlock::keys(v, s.block);
    v.field("value", s.value, "the byte stamped into every colour channel, before normalisation",
            between(0, 255));
  }
};

struct PatternTrigger {
  static constexpr const char* kName = "pattern";
  static constexpr const char* kDescription =
      "a bright block, by default 3x3 in the lower right corner";
  using Settings = PatternTriggerSettings;

  /// Throws InputError, naming the key, for what cannot be stamped on such images.
  static void check(const Settings& settings, const AttackConditions& conditions);
  /// Throws InputError if the images do not allow it.
  static void plan(const Settings& settings, BackdoorPlanning& planning);
};

}  // namespace redoubt
