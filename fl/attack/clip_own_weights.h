// An attacker who leaves no extreme weights to be found (Wu et al. 2020, section VI-C).
#pragma once

#include "fl/attack/method.h"

namespace redoubt {

/// Clamping the own weights of a conv layer to μ ± Δσ after each step.
struct SelfClipSettings {
  std::string layer = "last";
  double delta = 3;
  bool operator==(const SelfClipSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("delta", s.delta,
            "after each step own weights of the layer are clamped to mean +- delta deviations",
            above(0));
  }
};

/// Clamps its own weights of a conv layer to μ ± Δσ after each step.
class ClipOwnWeights : public Attack {
 public:
  static constexpr const char* kName = "self_clip";
  static constexpr const char* kDescription =
      "keeping own weights within what adjust_weights lets pass; null: not";
  using Settings = SelfClipSettings;

  ClipOwnWeights(const SelfClipSettings& settings, const AttackEnvironment& environment)
      : clip_(environment.network.layout(), settings.layer, settings.delta) {}
  static void check(const SelfClipSettings& settings, const AttackConditions& conditions);
  void edit_objective(const ClientRound& round, Objective& objective) override;

 private:
  ClipToDeviations clip_;
};

}  // namespace redoubt
