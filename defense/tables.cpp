// The tables of stages and aggregation rules. A new one is one file beside this one and one row
// here.
#include <array>

#include "defense/adjust_weights.h"
#include "defense/ariba.h"
#include "defense/fine_tune.h"
#include "defense/prune.h"
#include "defense/rule.h"
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
      },
      settings);
}

std::span<const StageEntry> stage_table() {
  static const std::array<StageEntry, std::variant_size_v<StageSettings>> table = {{
      {.name = "prune", .description = "silence the channels that clients vote dormant"},
      {.name = "fine_tune", .description = "rounds of training under the masks"},
      {.name = "adjust_weights",
       .description = "zero conv weights outside mean ± delta deviations"},
  }};
  return table;
}

std::unique_ptr<AggregationRule> make_rule(const RuleSettings& settings,
                                           const RuleEnvironment& environment) {
  using Made = std::unique_ptr<AggregationRule>;
  return std::visit(
      Overloaded{
          [](const FedAvgSettings& /*none*/) -> Made { return std::make_unique<FedAvg>(); },
          [&](const AribaSettings& s) -> Made {
            return std::make_unique<Ariba>(s, environment.executor.network().layout());
          },
      },
      settings);
}

void check_rule(const RuleSettings& settings, const RuleConditions& conditions) {
  std::visit(Overloaded{
                 [](const FedAvgSettings& /*none*/) {},
                 [&](const AribaSettings& s) {
                   check_ariba(s, conditions.participants, conditions.layout);
                 },
             },
             settings);
}

std::span<const RuleEntry> rule_table() {
  static const std::array<RuleEntry, std::variant_size_v<RuleSettings>> table = {{
      {.name = "fedavg", .description = "mean of the updates, weighted by sample counts"},
      {.name = "ariba", .description = "leaves out clients whose updates hold the most outliers"},
  }};
  return table;
}

}  // namespace redoubt
