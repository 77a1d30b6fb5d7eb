// Limiting extreme inputs (Wu et al. 2022, the published version of the paper, of whose abstract:
// "we eliminate backdoor attacks by limiting the extreme values of inputs and neural network
// neurons' weights"). A trigger of white pixels needs values near the end of what a pixel can be,
// so bytes nearer to it than a margin are clamped to the byte at that distance. How the authors
// choose the limit is not known to us; here accuracy decides, as for Δ.
#pragma once

#include "base/keys.h"
#include "defense/stage.h"

namespace redoubt {

/// Limiting extreme inputs (Wu et al. 2022): bytes of an image that are nearer than `margin` to an
/// end of [0, 255] are clamped to the byte at that distance.
struct LimitInputsSettings {
  enum class Ends : std::uint8_t { both, bright, dark };
  friend constexpr Names<Ends, 3> names_of(Ends) {
    return {{{"both", Ends::both}, {"bright", Ends::bright}, {"dark", Ends::dark}}};
  }
  Ends ends = Ends::bright;
  std::optional<int> margin = {};  ///< fixed; absent: swept upward as below
  int from = 10;
  int to = 120;
  int step = 10;
  Judge judge = Judge::automatic;
  StopRule stop = {.accuracy_drop = 0.01};
  bool operator==(const LimitInputsSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("ends", s.ends,
            "which ends of a byte's 0 to 255 are limited: the bright one, the dark one or both");
    v.field("margin", s.margin,
            "bytes nearer to an end than this become the byte at this distance; null: swept "
            "upward",
            between(1, 127));
    auto sweep = v.when_null("margin", s.margin);
    sweep.field("from", s.from, "first, smallest margin of the sweep", between(1, 127));
    sweep.field("to", s.to, "last, largest margin of the sweep, at least from", between(1, 127));
    sweep.field("step", s.step, "distance between margins of the sweep", between(1, 127));
    sweep.field("judge", s.judge, kJudgeMeaning);
    sweep.anew("stop", s.stop,
               "how far the sweep may go: up to the last margin before the first that loses more");
    sweep.require(!(s.to < s.from), "`to` is below `from`; the sweep goes upward");
  }
};

/// The margins of a sweep, from the least.
std::vector<int> margin_levels(const LimitInputsSettings& settings);

/// What is left of `range` when bytes nearer than `margin` to an end of [0, 255] are clamped.
kernels::ByteRange limited(const kernels::ByteRange& range, LimitInputsSettings::Ends ends,
                           int margin);

class LimitInputs : public Stage {
 public:
  static constexpr const char* kName = "limit_inputs";
  static constexpr const char* kDescription = "clamp the brightest inputs, the darkest or both";
  using Settings = LimitInputsSettings;

  explicit LimitInputs(const LimitInputsSettings& settings) : settings_(settings) {}
  static void check(const LimitInputsSettings& settings, StageConditions& conditions);
  std::string name() const override { return kName; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  LimitInputsSettings settings_;
};

}  // namespace redoubt
