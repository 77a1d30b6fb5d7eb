// The tables of stages and aggregation rules. A new one is one file beside this one and one row
// here.
#include <array>

#include "base/check.h"
#include "defense/adjust_weights.h"
#include "defense/ariba.h"
#include "defense/checks.h"
#include "defense/fine_tune.h"
#include "defense/foolsgold.h"
#include "defense/krum.h"
#include "defense/limit_inputs.h"
#include "defense/prune.h"
#include "defense/robust_means.h"
#include "defense/rule.h"
#include "defense/spectral.h"
#include "defense/stage.h"

namespace redoubt {

namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

std::unique_ptr<Stage> make_stage(const StageSettings& settings) {
  using Made = std::unique_ptr<Stage>;
  return std::visit(
      Overloaded{
          [](const PruneSettings& s) -> Made { return std::make_unique<Prune>(s); },
          [](const FineTuneSettings& s) -> Made { return std::make_unique<FineTune>(s); },
          [](const AdjustWeightsSettings& s) -> Made { return std::make_unique<AdjustWeights>(s); },
          [](const LimitInputsSettings& s) -> Made { return std::make_unique<LimitInputs>(s); },
      },
      settings);
}

std::span<const StageEntry> stage_table() {
  static const std::array<StageEntry, std::variant_size_v<StageSettings>> table = {{
      {.name = "prune", .description = "silence the channels that clients vote dormant"},
      {.name = "fine_tune", .description = "rounds of training under the masks"},
      {.name = "adjust_weights",
       .description = "zero conv weights outside mean ± delta deviations"},
      {.name = "limit_inputs", .description = "clamp the brightest inputs, the darkest or both"},
  }};
  return table;
}

std::unique_ptr<AggregationRule> make_rule(const RuleSettings& settings,
                                           const RuleEnvironment& environment) {
  using Made = std::unique_ptr<AggregationRule>;
  const ParameterLayout& layout = environment.executor.network().layout();
  return std::visit(
      Overloaded{
          [](const FedAvgSettings& /*none*/) -> Made { return std::make_unique<FedAvg>(); },
          [](const KrumSettings& s) -> Made { return std::make_unique<Krum>(s.malicious, 1); },
          [](const MultiKrumSettings& s) -> Made {
            return std::make_unique<Krum>(s.malicious, s.selected);
          },
          [](const BulyanSettings& s) -> Made { return std::make_unique<Bulyan>(s); },
          [](const TrimmedMeanSettings& s) -> Made { return std::make_unique<TrimmedMean>(s); },
          [](const MedianSettings& /*none*/) -> Made { return std::make_unique<Median>(); },
          [](const GeometricMedianSettings& s) -> Made {
            return std::make_unique<GeometricMedian>(s);
          },
          [&](const NormBoundSettings& s) -> Made {
            return std::make_unique<NormBound>(s, environment.seed);
          },
          [](const NormCheckSettings& s) -> Made { return std::make_unique<NormCheck>(s); },
          [&](const AccuracyCheckSettings& s) -> Made {
            return std::make_unique<AccuracyCheck>(s, environment);
          },
          [&](const FoolsGoldSettings& s) -> Made {
            return std::make_unique<FoolsGold>(s, layout);
          },
          [&](const SpectralSettings& s) -> Made {
            return std::make_unique<Spectral>(s, environment);
          },
          [&](const AribaSettings& s) -> Made { return std::make_unique<Ariba>(s, layout); },
      },
      settings);
}

namespace {

/// Fails unless a round has at least `least` clients, as f malicious ones ask for.
void need_clients(const std::string& key, int malicious, int least,
                  const RuleConditions& conditions) {
  if (conditions.participants >= least) return;
  throw InputError("defense.rule: " + key + " is " + std::to_string(malicious) +
                   ", which takes a round of at least " + std::to_string(least) +
                   " clients; there are " + std::to_string(conditions.participants));
}

void need_validation(const std::string& rule, const RuleConditions& conditions) {
  if (conditions.validation_samples > 0) return;
  throw InputError("defense.rule: " + rule +
                   " needs the server's validation images; set data.validation_samples");
}

}  // namespace

void check_rule(const RuleSettings& settings, const RuleConditions& conditions) {
  std::visit(
      Overloaded{
          [&](const KrumSettings& s) {
            need_clients("krum.malicious", s.malicious, 2 * s.malicious + 3, conditions);
          },
          [&](const MultiKrumSettings& s) {
            need_clients("multi-krum.malicious", s.malicious, 2 * s.malicious + 3, conditions);
            if (s.selected && *s.selected > conditions.participants - s.malicious) {
              throw InputError("defense.rule: multi-krum.selected is " +
                               std::to_string(*s.selected) + "; at most " +
                               std::to_string(conditions.participants - s.malicious) +
                               " clients are not malicious");
            }
          },
          [&](const BulyanSettings& s) {
            need_clients("bulyan.malicious", s.malicious, 4 * s.malicious + 3, conditions);
          },
          [&](const TrimmedMeanSettings& s) {
            need_clients("trimmed-mean.malicious", s.malicious, 2 * s.malicious + 1, conditions);
          },
          [&](const AccuracyCheckSettings& /*s*/) {
            need_validation("accuracy-check", conditions);
          },
          [&](const SpectralSettings& s) {
            need_validation("spectral", conditions);
            if (s.layer != "all") conditions.layout.conv_weight(s.layer);
          },
          [&](const AribaSettings& s) {
            check_ariba(s, conditions.participants, conditions.layout);
          },
          [](const auto& /*other*/) {},
      },
      settings);
}

std::span<const RuleEntry> rule_table() {
  static const std::array<RuleEntry, std::variant_size_v<RuleSettings>> table = {{
      {.name = "fedavg", .description = "mean of the updates, weighted by sample counts"},
      {.name = "krum", .description = "the update nearest to its neighbours"},
      {.name = "multi-krum", .description = "mean of the updates nearest to their neighbours"},
      {.name = "bulyan", .description = "updates chosen by Krum, of each column the middle values"},
      {.name = "trimmed-mean", .description = "of each column the mean without its extremes"},
      {.name = "median", .description = "of each column the median"},
      {.name = "geometric-median", .description = "RFA: the point of least distances to all"},
      {.name = "norm-bound", .description = "scales long updates down; noise if asked for"},
      {.name = "norm-check", .description = "leaves out long updates"},
      {.name = "accuracy-check", .description = "leaves out updates that cost the server accuracy"},
      {.name = "foolsgold", .description = "weighs down clients whose histories are alike"},
      {.name = "spectral", .description = "leaves out updates unlike those of the server's images"},
      {.name = "ariba", .description = "leaves out clients whose updates hold the most outliers"},
  }};
  return table;
}

}  // namespace redoubt
