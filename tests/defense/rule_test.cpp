// Every aggregation rule under one suite: against its definition in plain loops, in another order
// of clients, with one client, with equal updates, with updates that are not finite, and across a
// checkpoint.
#include "defense/rules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <ostream>

#include "tests/defense/plain_rules.h"
#include "tests/defense/trained_world.h"

namespace redoubt::test {
namespace {

/// One row a rule: its settings, and which of the laws below hold for it.
struct RuleCase {
  RuleSettings settings;
  /// What the server's step is, from the clients' updates and sample counts; absent where another
  /// test has it.
  std::function<Row(const Rows&, const std::vector<double>&)> reference;
  /// It looks at layers or runs models: rows must be of the model's size.
  bool reads_model = false;
  /// The step where one client alone sends this update; absent: the update itself, as for all rules
  /// that do not rescale.
  std::function<Row(Row)> alone = nullptr;
  /// The step where several clients send the same; absent: as for one alone.
  std::function<Row(Row)> alike = nullptr;

  Row step_alone(const Row& update) const { return alone ? alone(update) : update; }
  Row step_alike(const Row& update) const { return alike ? alike(update) : step_alone(update); }
};

Row shortened_to(double length, Row update) {
  const double scale = std::min(1.0, length / norm(update));
  for (double& value : update) value *= scale;
  return update;
}

void PrintTo(const RuleCase& rule, std::ostream* out) { *out << Rules::name_of(rule.settings); }

constexpr int kClients = 11;
constexpr std::int64_t kColumns = 96;

std::vector<RuleCase> rule_cases() {
  return {
      {FedAvgSettings{}, mean_of},
      {KrumSettings{.malicious = 2},
       [](const Rows& rows, const auto&) { return rows[krum_choice(rows, 2)]; }},
      {MultiKrumSettings{.malicious = 2, .selected = 5},
       [](const Rows& rows, const auto&) { return multi_krum(rows, 2, 5); }},
      {BulyanSettings{.malicious = 2},
       [](const Rows& rows, const auto&) { return bulyan(rows, 2); }},
      {TrimmedMeanSettings{.malicious = 3},
       [](const Rows& rows, const auto&) {
         return of_each_column(rows, [](const Row& c) { return mean_between(c, 3, c.size() - 3); });
       }},
      {MedianSettings{},
       [](const Rows& rows, const auto&) {
         return of_each_column(rows, [](const Row& c) { return c[c.size() / 2]; });
       }},
      {GeometricMedianSettings{}, geometric_median},
      {.settings = NormBoundSettings{.norm = 5},
       .reference = [](const Rows& rows,
                       const auto& counts) { return clipped_mean(rows, counts, 5); },
       .alone = [](Row update) { return shortened_to(5, std::move(update)); }},
      {NormCheckSettings{}, short_ones},
      {AccuracyCheckSettings{}, nullptr, true},
      // To FoolsGold equal histories are one attacker's: it trusts none of them.
      {.settings = FoolsGoldSettings{.features = FoolsGoldSettings::Features::all},
       .reference = [](const Rows& rows,
                       const auto&) { return foolsgold(rows, 0, rows.front().size()); },
       .reads_model = true,
       .alike = [](const Row& update) { return Row(update.size()); }},
      {SpectralSettings{.dimensions = 200, .references = 4}, nullptr, true},
      {AribaSettings{.suspects = 2}, nullptr, true},
  };
}

class EveryRule : public testing::TestWithParam<RuleCase> {
 protected:
  std::unique_ptr<AggregationRule> rule() {
    return Rules::make(GetParam().settings, {.executor = trained.world.executor,
                                             .validation = trained.images.validation,
                                             .seed = SmallWorld::kSeed,
                                             .local = small_settings().local});
  }

  /// What the server adds to the model: the combined row, or the weighted mean.
  Row step(AggregationRule& rule, const Rows& rows, const std::vector<double>& counts,
           Aggregate* answer = nullptr) {
    const std::int64_t columns = std::ssize(rows.front());
    std::vector<float> matrix;
    for (const Row& row : rows) matrix.insert(matrix.end(), row.begin(), row.end());
    std::vector<int> ids(rows.size());
    std::iota(ids.begin(), ids.end(), 0);
    Context& context = trained.world.executor.context();
    Aggregate aggregate = rule.aggregate(
        context, {.shape = {.rows = static_cast<int>(rows.size()), .columns = columns},
                  .matrix = {matrix.data(), columns},
                  .sample_counts = counts,
                  .clients = ids,
                  .global = trained.model.row.data(),
                  .mask = trained.model.mask.data(),
                  .learning_rate = SmallWorld::kRate,
                  .trained_ranges = {{0, columns}},
                  .trained_tensors = {{0, columns}}});
    Row result;
    if (aggregate.combined.count() > 0) {
      const std::vector<float> combined = aggregate.combined.download();
      result.assign(combined.begin(), combined.end());
    } else {
      result = mean_of(rows, aggregate.row_weights);
    }
    if (answer != nullptr) *answer = std::move(aggregate);
    return result;
  }

  std::int64_t columns() const {
    return GetParam().reads_model ? trained.model.row.count() : kColumns;
  }

  /// Updates around a common direction, each as a float holds it; the first two point elsewhere.
  Rows random_updates(std::size_t count, std::uint64_t seed) const {
    Rows rows(count, Row(static_cast<std::size_t>(columns())));
    for (std::size_t k = 0; k < count; ++k) {
      RandomStream stream({.seed = seed, .client = static_cast<std::uint32_t>(k)});
      RandomStream common({.seed = seed, .client = k < 2 ? 1000U : 999U});
      for (double& value : rows[k]) {
        const double wild = k < 2 ? 4 : 1;
        value = static_cast<float>(1e-2 * wild * (common.normal() + 0.7 * stream.normal()) *
                                   (columns() == kColumns ? 30 : 1));
      }
    }
    return rows;
  }

  static std::vector<double> counts(std::size_t count) {
    std::vector<double> samples;
    for (std::size_t k = 0; k < count; ++k) samples.push_back(20 + 7 * static_cast<double>(k % 4));
    return samples;
  }

  static void expect_near(const Row& a, const Row& b, double tolerance) {
    ASSERT_EQ(a.size(), b.size());
    double scale = 1e-12;
    for (const double value : b) scale = std::max(scale, std::abs(value));
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_NEAR(a[i], b[i], tolerance * scale) << "column " << i;
    }
  }

  TrainedWorld trained;
};

TEST_P(EveryRule, IsWhatItsDefinitionSays) {
  if (!GetParam().reference) GTEST_SKIP() << "has a test of its own";
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Rows rows = random_updates(kClients, seed);
    const std::unique_ptr<AggregationRule> own = rule();
    expect_near(step(*own, rows, counts(kClients)), GetParam().reference(rows, counts(kClients)),
                1e-6);
  }
}

TEST_P(EveryRule, DoesNotDependOnTheOrderOfTheClients) {
  const Rows rows = random_updates(kClients, 4);
  const std::vector<double> samples = counts(kClients);
  std::vector<std::size_t> order(kClients);
  std::iota(order.begin(), order.end(), 0);
  RandomStream stream({.seed = 5});
  stream.shuffle(std::span(order));
  Rows shuffled;
  std::vector<double> shuffled_samples;
  for (const std::size_t k : order) {
    shuffled.push_back(rows[k]);
    shuffled_samples.push_back(samples[k]);
  }
  expect_near(step(*rule(), shuffled, shuffled_samples), step(*rule(), rows, samples), 1e-5);
}

TEST_P(EveryRule, FollowsASingleClient) {
  const Rows rows = random_updates(1, 6);
  expect_near(step(*rule(), rows, counts(1)), GetParam().step_alone(rows.front()), 1e-5);
}

TEST_P(EveryRule, FollowsClientsWhoAllSayTheSame) {
  const Rows rows(kClients, random_updates(1, 7).front());
  expect_near(step(*rule(), rows, counts(kClients)), GetParam().step_alike(rows.front()), 1e-5);
}

TEST_P(EveryRule, TakesUpdatesOfZeros) {
  const Rows rows(kClients, Row(static_cast<std::size_t>(columns())));
  expect_near(step(*rule(), rows, counts(kClients)), rows.front(), 1e-9);
}

TEST_P(EveryRule, WorksOnWhatIsLeftWhenUpdatesAreNotFinite) {
  std::vector<Client> clients = trained.world.clients({40, 40, 40, 40});
  clients[1].attack =
      std::make_shared<EditsUpdate>([](UpdateRow& update) { update.values[3] = NAN; });
  Federation federation = trained.world.federation(clients, small_settings(), rule());
  GlobalModel model = trained.world.model();
  const std::vector<float> start = model.row.download();
  const RoundReport report = federation.run_round(model, 1, SmallWorld::kRate);
  EXPECT_EQ(report.rejected, 1);
  const std::vector<float> end = model.row.download();
  for (const float value : end) ASSERT_TRUE(std::isfinite(value));
  EXPECT_NE(start, end);
}

TEST_P(EveryRule, RemembersAcrossACheckpoint) {
  const std::unique_ptr<AggregationRule> through = rule();
  step(*through, random_updates(kClients, 8), counts(kClients));
  const std::unique_ptr<AggregationRule> resumed = rule();
  resumed->restore(through->state());
  const Rows next = random_updates(kClients, 9);
  EXPECT_EQ(step(*through, next, counts(kClients)), step(*resumed, next, counts(kClients)));
}

INSTANTIATE_TEST_SUITE_P(Rules, EveryRule, testing::ValuesIn(rule_cases()), [](const auto& rule) {
  std::string name = Rules::name_of(rule.param.settings);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(EveryRule, SaysTheNameThatItIsListedBy) {
  EXPECT_EQ(rule()->name(), Rules::name_of(GetParam().settings));
}

/// A rule that forgot to say what it is called.
class Nameless : public FedAvg {
  static constexpr const char* kName = "nobody can see this";
};
static_assert(ListedRule<FedAvg> && ListedRule<Ariba> && !ListedRule<Nameless>);

TEST(RuleTable, HasACaseOfEveryRuleInItsOrder) {
  const std::vector<RuleCase> cases = rule_cases();
  ASSERT_EQ(cases.size(), Rules::table().size());
  for (std::size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(cases[i].settings.index(), i);
}

}  // namespace
}  // namespace redoubt::test
