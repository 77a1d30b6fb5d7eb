// Aggregation rules by their settings. Running statistics of batch norm are averaged, or combined
// column by column, as all else, but count for nothing in lengths and distances (fl/distances.h). A
// new rule is one file beside this one, an alternative of RuleSettings, its row and its case in
// tables.cpp, and its keys in the runner's defense_keys.h.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "defense/settings.h"
#include "engine/executor.h"
#include "fl/aggregation.h"
#include "fl/settings.h"

namespace redoubt {

/// What a rule may use beside the updates. All of it outlives the rule.
struct RuleEnvironment {
  Executor& executor;                           ///< runs models; its network names the layers
  std::span<const kernels::Sample> validation;  ///< the server's own images; may be empty
  std::uint64_t seed = 0;
  LocalTraining local = {};  ///< how clients train, but for the learning rate of the round
};

std::unique_ptr<AggregationRule> make_rule(const RuleSettings& settings,
                                           const RuleEnvironment& environment);

/// What is known of a run before it starts.
struct RuleConditions {
  int participants = 0;  ///< clients in a round
  int validation_samples = 0;
  const ParameterLayout& layout;
};

/// Throws InputError, naming the key, for settings that the rule cannot honour under these
/// conditions.
void check_rule(const RuleSettings& settings, const RuleConditions& conditions);

/// One line each for `redoubt list`.
struct RuleEntry {
  std::string name;
  std::string description;
};
/// In the order of RuleSettings' alternatives.
std::span<const RuleEntry> rule_table();

}  // namespace redoubt
