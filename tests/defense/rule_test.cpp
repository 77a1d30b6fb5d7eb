// The table of aggregation rules.
#include "defense/rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/defense/trained_world.h"

namespace redoubt::test {
namespace {

template <std::size_t... Index>
std::vector<RuleSettings> every_rule(std::index_sequence<Index...> /*all*/) {
  return {RuleSettings(std::in_place_index<Index>)...};
}

TEST(RuleTable, MakesEveryRuleOfItsList) {
  TrainedWorld trained;
  const RuleEnvironment environment = {.executor = trained.world.executor,
                                       .validation = trained.images.validation,
                                       .seed = SmallWorld::kSeed};
  const auto rules = every_rule(std::make_index_sequence<std::variant_size_v<RuleSettings>>());
  ASSERT_EQ(rules.size(), rule_table().size());
  for (const RuleSettings& settings : rules) {
    const RuleEntry& entry = rule_table()[settings.index()];
    EXPECT_NE(make_rule(settings, environment), nullptr) << entry.name;
    EXPECT_FALSE(entry.description.empty()) << entry.name;
  }
}

}  // namespace
}  // namespace redoubt::test
