// The tables of stages and aggregation rules. A new one is one file beside this one and one row
// here.
#include <array>
#include <vector>

#include "defense/adjust_weights.h"
#include "defense/fine_tune.h"
#include "defense/prune.h"
#include "defense/stage.h"
#include "kernels/check.h"
#include "kernels/nearest_name.h"

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
  static const std::array<StageEntry, 3> table = {{
      {.name = "prune", .description = "silence the channels that clients vote dormant"},
      {.name = "fine_tune", .description = "rounds of training under the masks"},
      {.name = "adjust_weights",
       .description = "zero conv weights outside mean ± delta deviations"},
  }};
  return table;
}

std::span<const RuleEntry> rule_table() {
  static const std::vector<RuleEntry> table = {
      {.name = "fedavg",
       .description = "mean of the updates, weighted by sample counts",
       .make = []() -> std::unique_ptr<AggregationRule> { return std::make_unique<FedAvg>(); }},
  };
  return table;
}

std::unique_ptr<AggregationRule> make_rule(const std::string& name) {
  std::vector<std::string> names;
  for (const RuleEntry& entry : rule_table()) {
    if (entry.name == name) return entry.make();
    names.push_back(entry.name);
  }
  throw InputError("unknown aggregation rule \"" + name + "\"" + suggestion(name, names));
}

}  // namespace redoubt
