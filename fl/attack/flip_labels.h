// Training on wrong labels (Tolpegin et al. 2020; Fang et al. 2020).
#pragma once

#include "fl/attack/backdoor.h"
#include "fl/attack/method.h"

namespace redoubt {

/// Plain poisoning: fl/attack/untargeted.h.
struct LabelFlipSettings {
  std::optional<int> victim;  ///< absent: every label y becomes classes - 1 - y
  int target = 1;
  bool operator==(const LabelFlipSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field_or("victim", s.victim, "all",
               "the class whose label is changed; all: every label y becomes classes - 1 - y",
               at_least(0));
    v.when_given("victim", s.victim)
        .field("target", s.target, "what the victim's label becomes", at_least(0));
  }
};

/// The victim's images are called the target, or, if there is no victim, every label y becomes
/// classes - 1 - y.
class FlipLabels : public Attack {
 public:
  static constexpr const char* kName = "label-flip";
  static constexpr const char* kDescription = "wrong labels";
  using Settings = LabelFlipSettings;

  FlipLabels(const LabelFlipSettings& settings, const AttackEnvironment& environment)
      : settings_(settings), classes_(environment.network.classes()) {}
  static void check(const LabelFlipSettings& settings, const AttackConditions& conditions);
  /// Whose images it poisons, and what it is measured on: clean ones of the victim.
  static std::optional<BackdoorGoal> goal(const LabelFlipSettings& settings);
  void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) override;

 private:
  LabelFlipSettings settings_;
  int classes_;
};

}  // namespace redoubt
