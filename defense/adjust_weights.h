// Adjusting extreme weights (Wu et al. 2020, section IV-C): a backdoor needs a few weights far from
// the rest, so those of a conv layer outside μ ± Δσ become 0, for a given Δ or for the smallest
// that accuracy allows.
#pragma once

#include "defense/stage.h"

namespace redoubt {

/// Δ from `from` downward to `to` in steps; both ends are included as far as the step meets them.
std::vector<double> delta_levels(const AdjustWeightsSettings& settings);

class AdjustWeights : public Stage {
 public:
  explicit AdjustWeights(const AdjustWeightsSettings& settings) : settings_(settings) {}
  std::string name() const override { return "adjust_weights"; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  AdjustWeightsSettings settings_;
};

}  // namespace redoubt
