// Every aggregation rule under one suite: against its definition in plain loops, in another order
// of clients, with one client, with equal updates, with updates that are not finite, and whether it
// changes what an attack does.
#include "defense/rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <ostream>

#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::HasSubstr;

using Row = std::vector<double>;
using Rows = std::vector<Row>;

// ---- plain definitions, on rows of doubles
// --------------------------------------------------------

double squared_distance(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

double norm(const Row& a) { return std::sqrt(squared_distance(a, Row(a.size()))); }

Row mean_of(const Rows& rows, const std::vector<double>& weights) {
  Row mean(rows.front().size());
  double all = 0;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    all += weights[k];
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weights[k] * rows[k][i];
  }
  for (double& value : mean) value = all == 0 ? 0 : value / all;
  return mean;
}

std::vector<double> ones(std::size_t count) { return std::vector<double>(count, 1.0); }

/// Which of `rows` Krum chooses.
std::size_t krum_choice(const Rows& rows, int f) {
  std::size_t best = 0;
  double best_score = INFINITY;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row distances;
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if (i != j) distances.push_back(squared_distance(rows[i], rows[j]));
    }
    std::sort(distances.begin(), distances.end());
    const int nearest = std::max(1, static_cast<int>(rows.size()) - f - 2);
    double score = 0;
    for (int j = 0; j < std::min<int>(nearest, static_cast<int>(distances.size())); ++j) {
      score += distances[static_cast<std::size_t>(j)];
    }
    if (score < best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

Row of_each_column(const Rows& rows, const std::function<double(Row)>& reduce) {
  Row result;
  for (std::size_t c = 0; c < rows.front().size(); ++c) {
    Row column;
    for (const Row& row : rows) column.push_back(row[c]);
    std::sort(column.begin(), column.end());
    result.push_back(reduce(column));
  }
  return result;
}

double mean_between(const Row& sorted, std::size_t first, std::size_t end) {
  return std::accumulate(sorted.begin() + static_cast<std::ptrdiff_t>(first),
                         sorted.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
         static_cast<double>(end - first);
}

Row bulyan(Rows rows, int f) {
  const std::size_t theta = rows.size() - static_cast<std::size_t>(2 * f);
  Rows selected;
  while (selected.size() < theta) {
    const std::size_t best = krum_choice(rows, f);
    selected.push_back(rows[best]);
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(best));
  }
  const std::size_t beta = theta - static_cast<std::size_t>(2 * f);
  return of_each_column(selected, [&](Row column) {
    const double median = column[column.size() / 2];
    std::stable_sort(column.begin(), column.end(), [&](double a, double b) {
      return std::abs(a - median) < std::abs(b - median);
    });
    return mean_between(column, 0, beta);
  });
}

Row multi_krum(const Rows& rows, int f, std::size_t selected) {
  std::vector<std::pair<double, std::size_t>> scores;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row distances;
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if (i != j) distances.push_back(squared_distance(rows[i], rows[j]));
    }
    std::sort(distances.begin(), distances.end());
    const auto nearest = rows.size() - static_cast<std::size_t>(f) - 2;
    scores.emplace_back(mean_between(distances, 0, nearest), i);
  }
  std::sort(scores.begin(), scores.end());
  Rows chosen;
  for (std::size_t i = 0; i < selected; ++i) chosen.push_back(rows[scores[i].second]);
  return mean_of(chosen, ones(selected));
}

Row geometric_median(const Rows& rows, const std::vector<double>& counts) {
  Row v = mean_of(rows, counts);
  for (int i = 0; i < 10; ++i) {
    std::vector<double> beta;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      beta.push_back(counts[k] / std::max(1e-6, std::sqrt(squared_distance(v, rows[k]))));
    }
    v = mean_of(rows, beta);
  }
  return v;
}

/// FedAvg of updates no longer than a bound.
Row clipped_mean(Rows rows, const std::vector<double>& counts, double bound) {
  for (Row& row : rows) {
    const double scale = std::min(1.0, bound / norm(row));
    for (double& value : row) value *= scale;
  }
  return mean_of(rows, counts);
}

/// FedAvg of those of at most twice the median length.
Row short_ones(const Rows& rows, std::vector<double> counts) {
  Row norms;
  for (const Row& row : rows) norms.push_back(norm(row));
  Row sorted = norms;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[(sorted.size() - 1) / 2];
  for (std::size_t k = 0; k < rows.size(); ++k) {
    if (norms[k] > 2 * median) counts[k] = 0;
  }
  return mean_of(rows, counts);
}

/// The authors' code, line by line, on one round's updates.
Row foolsgold(const Rows& rows, std::size_t first, std::size_t size) {
  const std::size_t n = rows.size();
  std::vector<Row> cs(n, Row(n));
  Row maxcs(n, -INFINITY);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double ij = 0;
      double ii = 0;
      double jj = 0;
      for (std::size_t c = first; c < first + size; ++c) {
        ij += rows[i][c] * rows[j][c];
        ii += rows[i][c] * rows[i][c];
        jj += rows[j][c] * rows[j][c];
      }
      cs[i][j] = ij / std::sqrt(ii * jj) - (i == j ? 1 : 0);
      if (i != j) maxcs[i] = std::max(maxcs[i], cs[i][j]);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      if (i != j && maxcs[i] < maxcs[j]) cs[i][j] *= maxcs[i] / maxcs[j];
    }
  }
  Row wv(n);
  for (std::size_t i = 0; i < n; ++i) {
    wv[i] = std::clamp(1 - *std::max_element(cs[i].begin(), cs[i].end()), 0.0, 1.0);
  }
  const double best = *std::max_element(wv.begin(), wv.end());
  for (double& w : wv) {
    w /= best;
    if (w == 1) w = .99;
    w = std::clamp(std::log(w / (1 - w)) + 0.5, 0.0, 1.0);
  }
  return mean_of(rows, wv);
}

// ---- the suite
// --------------------------------------------------------------------------------------

struct RuleCase {
  RuleSettings settings;
  /// What the server's step is, from the clients' updates and sample counts; absent where another
  /// test has it.
  std::function<Row(const Rows&, const std::vector<double>&)> reference;
};

void PrintTo(const RuleCase& rule, std::ostream* out) {
  *out << rule_table()[rule.settings.index()].name;
}

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
      {NormBoundSettings{.norm = 5},
       [](const Rows& rows, const auto& counts) { return clipped_mean(rows, counts, 5); }},
      {NormCheckSettings{}, short_ones},
      {AccuracyCheckSettings{}, nullptr},
      {FoolsGoldSettings{.features = FoolsGoldSettings::Features::all},
       [](const Rows& rows, const auto&) { return foolsgold(rows, 0, rows.front().size()); }},
      {AribaSettings{.suspects = 2}, nullptr},
  };
}

std::string name_of(const RuleSettings& settings) { return rule_table()[settings.index()].name; }

class EveryRule : public testing::TestWithParam<RuleCase> {
 protected:
  std::unique_ptr<AggregationRule> rule() {
    return make_rule(GetParam().settings, {.executor = trained.world.executor,
                                           .validation = trained.images.validation,
                                           .seed = SmallWorld::kSeed});
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
                  .mask = trained.model.mask.data()});
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

  /// Rules that look at layers or run models need rows of the model's size.
  std::int64_t columns() const {
    const RuleSettings& settings = GetParam().settings;
    const bool model = std::holds_alternative<AccuracyCheckSettings>(settings) ||
                       std::holds_alternative<FoolsGoldSettings>(settings) ||
                       std::holds_alternative<AribaSettings>(settings);
    return model ? trained.model.row.count() : kColumns;
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
  const auto* bound = std::get_if<NormBoundSettings>(&GetParam().settings);
  Row expected = rows.front();
  const double scale = bound == nullptr ? 1 : std::min(1.0, bound->norm / norm(expected));
  for (double& value : expected) value *= scale;
  expect_near(step(*rule(), rows, counts(1)), expected, 1e-5);
}

TEST_P(EveryRule, FollowsClientsWhoAllSayTheSame) {
  const Rows rows(kClients, random_updates(1, 7).front());
  Row expected = rows.front();
  const auto* bound = std::get_if<NormBoundSettings>(&GetParam().settings);
  const double scale = bound == nullptr ? 1 : std::min(1.0, bound->norm / norm(expected));
  for (double& value : expected) value *= scale;
  // To FoolsGold equal histories are one attacker's: it trusts none of them.
  if (std::holds_alternative<FoolsGoldSettings>(GetParam().settings)) {
    expected.assign(expected.size(), 0.0);
  }
  expect_near(step(*rule(), rows, counts(kClients)), expected, 1e-5);
}

TEST_P(EveryRule, TakesUpdatesOfZeros) {
  const Rows rows(kClients, Row(static_cast<std::size_t>(columns())));
  expect_near(step(*rule(), rows, counts(kClients)), rows.front(), 1e-9);
}

TEST_P(EveryRule, WorksOnWhatIsLeftWhenUpdatesAreNotFinite) {
  std::vector<Client> clients = trained.world.clients({40, 40, 40, 40});
  clients[1].behaviours = {
      std::make_shared<EditsUpdate>([](UpdateRow& update) { update.values[3] = NAN; })};
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
  std::string name = name_of(rule.param.settings);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(RuleTable, HasACaseOfEveryRuleInItsOrder) {
  const std::vector<RuleCase> cases = rule_cases();
  ASSERT_EQ(cases.size(), rule_table().size());
  for (std::size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(cases[i].settings.index(), i);
}

TEST(NormBound, AddsNoiseOfItsDeviationThatDependsOnSeedAndRoundOnly) {
  TrainedWorld trained;
  const auto noise = [&](std::uint64_t seed, int round, int threads) {
    const std::int64_t columns = 100000;
    const std::unique_ptr<AggregationRule> rule =
        make_rule(NormBoundSettings{.norm = 1, .noise = 0.5},
                  {.executor = trained.world.executor, .validation = {}, .seed = seed});
    const std::vector<float> zeros(static_cast<std::size_t>(columns));
    const std::vector<double> counts = {1};
    const std::vector<int> ids = {0};
    Context context(Device(), threads);
    return rule
        ->aggregate(context, {.shape = {1, columns},
                              .matrix = {zeros.data(), columns},
                              .sample_counts = counts,
                              .clients = ids,
                              .round = round})
        .combined.download();
  };
  const std::vector<float> one = noise(1, 1, 1);
  EXPECT_EQ(one, noise(1, 1, 2));
  EXPECT_NE(one, noise(2, 1, 1));
  EXPECT_NE(one, noise(1, 2, 1));
  double sum = 0;
  double squares = 0;
  for (const float value : one) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  // Four standard errors of 100,000 numbers.
  EXPECT_NEAR(sum / 1e5, 0, 4 * 0.5 / std::sqrt(1e5));
  EXPECT_NEAR(squares / 1e5, 0.25, 4 * 0.25 * std::sqrt(2 / 1e5));
}

TEST(AccuracyCheck, LeavesOutWhoMakesTheModelWorse) {
  TrainedWorld trained;
  const std::unique_ptr<AggregationRule> rule = make_rule(
      AccuracyCheckSettings{.drop = 0.1},
      {.executor = trained.world.executor, .validation = trained.images.validation, .seed = 1});
  const std::int64_t columns = trained.model.row.count();
  std::vector<float> matrix(static_cast<std::size_t>(4 * columns));
  // Client 2's model is the negative of the global one.
  const std::vector<float> global = trained.model.row.download();
  for (std::size_t i = 0; i < global.size(); ++i) matrix[2 * global.size() + i] = -2 * global[i];
  const std::vector<double> counts = {1, 2, 3, 4};
  const std::vector<int> ids = {3, 5, 6, 9};
  const Aggregate answer =
      rule->aggregate(trained.world.executor.context(), {.shape = {4, columns},
                                                         .matrix = {matrix.data(), columns},
                                                         .sample_counts = counts,
                                                         .clients = ids,
                                                         .global = trained.model.row.data(),
                                                         .mask = trained.model.mask.data()});
  EXPECT_EQ(answer.row_weights, (std::vector<double>{1, 2, 0, 4}));
  EXPECT_EQ(answer.removed, std::vector<int>{6});
}

TEST(CheckRule, RefusesWhatARuleCannotHonour) {
  TrainedWorld trained;
  const auto message = [&](const RuleSettings& settings, int participants, int validation = 10) {
    return input_error([&] {
      check_rule(settings, {.participants = participants,
                            .validation_samples = validation,
                            .layout = trained.world.network.layout()});
    });
  };
  const auto accepts = [&](const RuleSettings& settings, int participants) {
    EXPECT_NO_THROW(check_rule(settings, {.participants = participants,
                                          .validation_samples = 10,
                                          .layout = trained.world.network.layout()}));
  };
  EXPECT_THAT(message(KrumSettings{2}, 6), HasSubstr("krum.malicious is 2, which takes a round of "
                                                     "at least 7 clients; there are 6"));
  accepts(KrumSettings{2}, 7);
  EXPECT_THAT(message(MultiKrumSettings{2, 6}, 7), HasSubstr("multi-krum.selected is 6"));
  accepts(MultiKrumSettings{2, 5}, 7);
  EXPECT_THAT(message(BulyanSettings{2}, 10), HasSubstr("at least 11 clients"));
  accepts(BulyanSettings{2}, 11);
  EXPECT_THAT(message(TrimmedMeanSettings{3}, 6), HasSubstr("at least 7 clients"));
  accepts(TrimmedMeanSettings{3}, 7);
  EXPECT_THAT(message(AccuracyCheckSettings{}, 5, 0), HasSubstr("data.validation_samples"));
  EXPECT_THAT(message(AribaSettings{.suspects = 5}, 5), HasSubstr("ariba.suspects is 5"));
  EXPECT_THAT(message(AribaSettings{.suspects = 1, .layers = {"conv7"}}, 5),
              HasSubstr("\"conv7\" is no conv layer; the model has conv1, conv2"));
  EXPECT_THAT(
      message(AribaSettings{.suspects = 1,
                            .fragments = {.kind = FragmentSettings::Kind::block, .block = 100000}},
              5),
      HasSubstr("fragments.block is 100000"));
}

}  // namespace
}  // namespace redoubt::test
