// Inner-product manipulation (Xie, Koyejo, Gupta 2020, "Fall of empires").
#pragma once

#include "fl/attack/conspiracy.h"
#include "fl/attack/method.h"

namespace redoubt {

struct InnerProductSettings {
  double epsilon = 1;
  bool omniscient = false;
  bool operator==(const InnerProductSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("epsilon", s.epsilon, "all send the mean update times minus epsilon", above(0));
    v.field("omniscient", s.omniscient,
            "whether mean and deviation are of the honest clients' updates; false: of the "
            "attackers' own");
  }
};

/// All attackers send -ε times the mean of the others' updates, or of their own honest ones if they
/// do not know those; where they know none that is finite, each sends its own.
class ManipulateInnerProduct : public Conspiracy {
 public:
  static constexpr const char* kName = "inner-product";
  static constexpr const char* kDescription = "together: the mean times a negative number";
  using Settings = InnerProductSettings;

  explicit ManipulateInnerProduct(const InnerProductSettings& settings) : settings_(settings) {}
  static void check(const InnerProductSettings& settings, const AttackConditions& conditions);
  void edit_updates(const RoundUpdates& updates) override;

 private:
  InnerProductSettings settings_;
};

}  // namespace redoubt
