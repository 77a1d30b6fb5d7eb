// The targeted backdoor (Mi et al., section 5.1; Bhagoji et al. 2019).
#pragma once

#include "fl/attack/trigger/planning.h"

namespace redoubt {

/// The targeted backdoor (Mi et al., section 5.1; Bhagoji et al. 2019): so many images of the
/// victim class, drawn from the training split and held by the attackers alone, are to be called
/// the target. The attack is measured on these very images.
struct TargetedTriggerSettings {
  int samples = 30;
  bool operator==(const TargetedTriggerSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("samples", s.samples,
            "how many training images of the victim class, drawn from the seed and held by the "
            "attackers alone, are to be called the target",
            at_least(1));
  }
};

struct TargetedTrigger {
  static constexpr const char* kName = "targeted";
  static constexpr const char* kDescription =
      "some images of the victim class, recognised at test time";
  using Settings = TargetedTriggerSettings;

  /// Throws InputError if the images do not allow it.
  static void plan(const Settings& settings, BackdoorPlanning& planning);
};

}  // namespace redoubt
