// Adjusting extreme weights (Wu et al. 2020, section IV-C): a backdoor needs a few weights far from
// the rest, so those of a conv layer outside μ ± Δσ become 0, for a given Δ or for the smallest
// that accuracy allows. In the paper this is the last step; where fine-tuning follows, those
// weights stay 0 in it, as pruned channels stay silent.
#pragma once

#include "base/keys.h"
#include "defense/stage.h"

namespace redoubt {

/// Adjusting extreme weights (section IV-C): weights of a conv layer outside μ ± Δσ become 0.
struct AdjustWeightsSettings {
  std::string layer = "last";
  std::optional<double> delta = {};  ///< Δ, fixed; absent: swept downward as below
  double from = 5.0;
  double to = 0.5;
  double step = 0.25;
  Judge judge = Judge::automatic;
  StopRule stop = {.accuracy_drop = 0.01};
  bool operator==(const AdjustWeightsSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("delta", s.delta,
            "weights farther than so many deviations from the mean become 0; null: swept downward",
            above(0));
    auto sweep = v.when_null("delta", s.delta);
    sweep.field("from", s.from, "first, largest delta of the sweep", above(0));
    sweep.field("to", s.to, "last, smallest delta of the sweep, at most from", at_least(0));
    sweep.field("step", s.step, "distance between deltas of the sweep", above(0));
    sweep.field("judge", s.judge, kJudgeMeaning);
    sweep.anew("stop", s.stop,
               "how far the sweep may go: up to the last delta before the first that loses more");
    sweep.require(!(s.to > s.from), "`to` is above `from`; the sweep goes downward");
  }
};

/// Δ from `from` downward to `to` in steps; both ends are included as far as the step meets them.
std::vector<double> delta_levels(const AdjustWeightsSettings& settings);

class AdjustWeights : public Stage {
 public:
  static constexpr const char* kName = "adjust_weights";
  static constexpr const char* kDescription = "zero conv weights outside mean ± delta deviations";
  using Settings = AdjustWeightsSettings;

  explicit AdjustWeights(const AdjustWeightsSettings& settings) : settings_(settings) {}
  static void check(const AdjustWeightsSettings& settings, StageConditions& conditions);
  std::string name() const override { return kName; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  AdjustWeightsSettings settings_;
};

}  // namespace redoubt
