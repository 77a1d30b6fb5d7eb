// The distributed backdoor (Xie et al. 2020, "DBA: distributed backdoor attacks against federated
// learning").
#pragma once

#include "fl/attack/trigger/planning.h"

namespace redoubt {

/// The four strips of the DBA authors' code: 1x6 for images of 32 rows and more, else 1x4, in rows
/// 0 and 4 (else 3) from columns 0 and 9 (else 6).
std::vector<PixelBlock> distributed_parts(const Shape& shape);

/// The distributed backdoor (Xie et al. 2020, "DBA: distributed backdoor attacks against federated
/// learning"): the trigger is cut into parts, each attacker stamps its own, evaluation stamps all.
struct DistributedTriggerSettings {
  /// Attackers take the parts in turn. Empty: distributed_parts().
  std::vector<PixelBlock> parts;
  int value = 255;
  bool operator==(const DistributedTriggerSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("parts", s.parts,
            "blocks, of which each attacker stamps one, in turn; evaluation stamps all; empty: the "
            "four strips of the authors' code");
    v.field("value", s.value, "the byte stamped into every colour channel, before normalisation",
            between(0, 255));
  }
};

struct DistributedTrigger {
  static constexpr const char* kName = "distributed";
  static constexpr const char* kDescription =
      "blocks, each stamped by another attacker; evaluation stamps all";
  using Settings = DistributedTriggerSettings;

  /// Throws InputError, naming the key, for what cannot be stamped on such images.
  static void check(const Settings& settings, const AttackConditions& conditions);
  /// Throws InputError if the images do not allow it.
  static void plan(const Settings& settings, BackdoorPlanning& planning);
  /// The parts that are stamped on such images.
  static std::vector<PixelBlock> parts_of(const Settings& settings, const Shape& shape);
};

}  // namespace redoubt
