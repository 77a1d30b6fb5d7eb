// A little is enough (Baruch, Baruch, Goldberg 2019, algorithm 3).
#pragma once

#include "fl/attack/conspiracy.h"
#include "fl/attack/method.h"

namespace redoubt {

struct LittleIsEnoughSettings {
  std::optional<double> shift;  ///< z; absent: the largest that hides
  bool omniscient = false;      ///< whether the attackers know the honest clients' updates
  bool operator==(const LittleIsEnoughSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("shift", s.shift,
            "z: all send mean - z deviations of each parameter; null: the largest z that hides in "
            "a majority",
            above(0));
    v.field("omniscient", s.omniscient,
            "whether mean and deviation are of the honest clients' updates; false: of the "
            "attackers' own, who must be several: in a round with one of them it sends its own");
  }
};

/// z_max: the largest shift that still hides, Φ(z) = (n - m - s) / (n - m), with s = ⌊n / 2 + 1⌋ -
/// m supporters needed of n clients of whom m are malicious.
double largest_hidden_shift(int clients, int malicious);

/// All attackers send μ - z · σ of each column, over what they would have sent honestly, or over
/// the honest clients' updates if they know them; where they know none that is finite, each sends
/// its own. Without a z, the largest that still hides.
class LittleIsEnough : public Conspiracy {
 public:
  static constexpr const char* kName = "little-is-enough";
  static constexpr const char* kDescription =
      "together: the mean less as many deviations as still hide";
  using Settings = LittleIsEnoughSettings;

  explicit LittleIsEnough(const LittleIsEnoughSettings& settings) : settings_(settings) {}
  static void check(const LittleIsEnoughSettings& settings, const AttackConditions& conditions);
  void edit_updates(const RoundUpdates& updates) override;

 private:
  LittleIsEnoughSettings settings_;
};

}  // namespace redoubt
