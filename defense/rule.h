// What an aggregation rule gets to know beside the updates, and the list of rules as code.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <string>

#include "base/check.h"
#include "base/keys.h"
#include "engine/executor.h"
#include "fl/aggregation.h"
#include "fl/settings.h"

namespace redoubt {

/// What a rule may use beside the updates. All of it outlives the rule.
struct RuleEnvironment {
  Executor& executor;                                ///< runs models; its network names the layers
  std::span<const kernels::Sample> validation = {};  ///< the server's own images; may be empty
  std::uint64_t seed = 0;
  LocalTraining local = {};  ///< how clients train, but for the learning rate of the round
};

/// The largest f that a file may give: what a rule asks of a round, 4 f + 3 clients at most, is
/// still an int.
inline constexpr int kMostMalicious = 1'000'000;

/// What is known of a run before it starts.
struct RuleConditions {
  int participants = 0;  ///< clients in a round
  int clients = 0;       ///< all of them
  int rounds = 0;        ///< of training, and of the longest pipeline after it
  int validation_samples = 0;
  const ParameterLayout& layout;

  /// Throws InputError unless a round has at least `least` clients, as f malicious ones ask for.
  void need_clients(const std::string& key, int malicious, int least) const;
  /// Throws InputError unless the server holds images of its own.
  void need_validation(const std::string& rule) const;
};

/// What the list asks of a rule; what is forgotten does not compile.
template <class Rule>
concept ListedRule = std::derived_from<Rule, AggregationRule> && requires {
  { Rule::kName } -> std::convertible_to<std::string>;
  { Rule::kDescription } -> std::convertible_to<std::string>;
  typename Rule::Settings;
} &&(std::constructible_from<Rule, const typename Rule::Settings&> ||
     std::constructible_from<Rule, const typename Rule::Settings&, const RuleEnvironment&>);

/// Aggregation rules, each made from its settings, or from them and the environment. A rule may
/// have `static void check(const Settings&, const RuleConditions&)`, which throws InputError naming
/// the key for settings that it cannot honour, and `static void add_figures(Record&, attackers)`.
template <ListedRule... Rules>
struct RulesOf : ListOf<Rules...> {
  using Settings = typename ListOf<Rules...>::Settings;
  static constexpr const char* what = "an aggregation rule";

  static std::unique_ptr<AggregationRule> make(const Settings& settings,
                                               const RuleEnvironment& environment) {
    return RulesOf::with_class(
        settings, [&]<class Rule>(const auto& own) -> std::unique_ptr<AggregationRule> {
          return make_listed<Rule>(own, environment);
        });
  }
  static void check(const Settings& settings, const RuleConditions& conditions) {
    RulesOf::with_class(settings,
                        [&]<class Rule>(const auto& own) { check_listed<Rule>(own, conditions); });
  }
  /// What a researcher, who knows the attackers (their ids, ascending), reads from a round's
  /// record.
  static void add_figures(const Settings& settings, Record& record,
                          std::span<const int> attackers) {
    RulesOf::with_class(settings, [&]<class Rule>(const auto& /*own*/) {
      if constexpr (requires { Rule::add_figures(record, attackers); }) {
        Rule::add_figures(record, attackers);
      }
    });
  }
};

}  // namespace redoubt
