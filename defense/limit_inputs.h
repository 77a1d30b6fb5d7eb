// Limiting extreme inputs (Wu et al. 2022, the published version of the paper, of whose abstract:
// "we eliminate backdoor attacks by limiting the extreme values of inputs and neural network
// neurons' weights"). A trigger of white pixels needs values near the end of what a pixel can be,
// so bytes nearer to it than a margin are clamped to the byte at that distance. How the authors
// choose the limit is not known to us; here accuracy decides, as for Δ.
#pragma once

#include "defense/stage.h"

namespace redoubt {

/// The margins of a sweep, from the least.
std::vector<int> margin_levels(const LimitInputsSettings& settings);

/// What is left of `range` when bytes nearer than `margin` to an end of [0, 255] are clamped.
kernels::ByteRange limited(const kernels::ByteRange& range, LimitInputsSettings::Ends ends,
                           int margin);

class LimitInputs : public Stage {
 public:
  explicit LimitInputs(const LimitInputsSettings& settings) : settings_(settings) {}
  std::string name() const override { return "limit_inputs"; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  LimitInputsSettings settings_;
};

}  // namespace redoubt
