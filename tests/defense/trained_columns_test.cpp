// Running statistics of batch norm lie in the rows that rules and attackers measure, and count for
// nothing in a length or a distance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "defense/checks.h"
#include "defense/foolsgold.h"
#include "defense/krum.h"
#include "defense/robust_means.h"
#include "fl/attack/settings.h"
#include "tests/fl/small_world.h"

namespace redoubt::test {
namespace {

constexpr int kRows = 7;

/// A network with a batch norm, and updates of clients who train it.
class NormalizingWorld {
 public:
  NormalizingWorld() {
    RandomStream stream({.seed = 5});
    values.resize(kRows * columns());
    for (float& value : values) value = static_cast<float>(stream.normal());
  }

  std::int64_t columns() const { return network.layout().row_size(); }
  bool is_trained(std::int64_t column) const { return is_in(network.trained_ranges(), column); }
  /// Trained, and no padding.
  bool is_parameter(std::int64_t column) const { return is_in(network.trained_tensors(), column); }
  static bool is_in(const std::vector<ColumnRange>& ranges, std::int64_t column) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const ColumnRange& range) {
      return column >= range.offset && column < range.offset + range.size;
    });
  }
  /// The same updates with running statistics that lie far apart.
  std::vector<float> with_wild_statistics() const {
    std::vector<float> wild = values;
    for (std::size_t i = 0; i < wild.size(); ++i) {
      const auto row = static_cast<float>(static_cast<std::int64_t>(i) / columns());
      if (!is_trained(static_cast<std::int64_t>(i) % columns())) wild[i] = 1e4F * (row - 3) * row;
    }
    return wild;
  }
  Aggregate aggregate(AggregationRule& rule, const std::vector<float>& matrix) {
    std::vector<int> ids(kRows);
    std::iota(ids.begin(), ids.end(), 0);
    const std::vector<double> counts = {3, 1, 4, 1, 5, 9, 2};
    return rule.aggregate(context, {.shape = {.rows = kRows, .columns = columns()},
                                    .matrix = {matrix.data(), columns()},
                                    .sample_counts = counts,
                                    .clients = ids,
                                    .trained_ranges = network.trained_ranges(),
                                    .statistic_ranges = network.statistic_ranges(),
                                    .trained_tensors = network.trained_tensors()});
  }

  SmallWorld world;
  Network network{SmallWorld::kShape, 10,
                  std::vector<LayerSpec>{Conv::Settings{.channels = 6, .kernel = 3, .bias = 0},
                                         BatchNorm::Settings(), Relu::Settings(),
                                         Dense::Settings{.units = 10}}};
  Context context{Device(), 1};
  std::vector<float> values;
};

/// What a rule makes of a client does not depend on its statistics.
void expect_same_weights(const std::function<std::unique_ptr<AggregationRule>()>& make) {
  NormalizingWorld own;
  const Aggregate usual = own.aggregate(*make(), own.values);
  const Aggregate wild = own.aggregate(*make(), own.with_wild_statistics());
  EXPECT_EQ(usual.row_weights, wild.row_weights);
  EXPECT_EQ(usual.removed, wild.removed);
  if (usual.combined.count() == 0) return;
  const std::vector<float> without = usual.combined.download();
  const std::vector<float> with = wild.combined.download();
  for (std::int64_t i = 0; i < own.columns(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (own.is_trained(i)) {
      ASSERT_EQ(without[at], with[at]) << "column " << i;
    }
  }
}

TEST(RunningStatistics, DoNotDecideWhomARuleTrusts) {
  const NormalizingWorld own;
  ASSERT_EQ(own.network.trained_ranges().size(), 2U);
  Executor executor(own.network, own.world.store.source(), Device(), 1, 16);
  const RuleEnvironment environment = {.executor = executor, .seed = 1};
  expect_same_weights([] { return std::make_unique<Krum>(KrumSettings{.malicious = 1}); });
  expect_same_weights([] { return std::make_unique<MultiKrum>(MultiKrumSettings{1, 4}); });
  expect_same_weights([] { return std::make_unique<Bulyan>(BulyanSettings{.malicious = 1}); });
  expect_same_weights([] { return std::make_unique<GeometricMedian>(GeometricMedianSettings()); });
  expect_same_weights([] { return std::make_unique<NormCheck>(NormCheckSettings()); });
  expect_same_weights(
      [&] { return std::make_unique<NormBound>(NormBoundSettings{.norm = 2}, environment); });
  expect_same_weights([&] {
    return std::make_unique<FoolsGold>(
        FoolsGoldSettings{.features = FoolsGoldSettings::Features::all}, environment);
  });
}

TEST(RunningStatistics, AndPaddingAreCombinedLikeAllElseAndGetNoNoise) {
  NormalizingWorld own;
  const std::vector<float> wild = own.with_wild_statistics();
  NormBound bound({.norm = 1e9, .noise = 10}, {.executor = own.world.executor, .seed = 1});
  const std::vector<float> combined = own.aggregate(bound, wild).combined.download();
  const std::vector<double> counts = {3, 1, 4, 1, 5, 9, 2};
  for (std::int64_t i = 0; i < own.columns(); ++i) {
    double mean = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
      mean += counts[r] / 25 * static_cast<double>(wild[r * own.columns() + i]);
    }
    const double combined_value = combined[i];
    if (own.is_parameter(i)) {
      EXPECT_NE(combined_value, static_cast<double>(static_cast<float>(mean)));
    } else {
      EXPECT_NEAR(combined_value, mean, 1e-6 * std::abs(mean) + 1e-6);
    }
  }
}

TEST(RunningStatistics, AreNotScaledWithWeightsThatAreTooLong) {
  NormalizingWorld own;
  const std::vector<float> wild = own.with_wild_statistics();
  NormBound bound({.norm = 1e-3}, {.executor = own.world.executor, .seed = 1});
  const std::vector<float> combined = own.aggregate(bound, wild).combined.download();
  const std::vector<double> counts = {3, 1, 4, 1, 5, 9, 2};
  double longest = 0;
  for (std::int64_t i = 0; i < own.columns(); ++i) {
    if (own.is_trained(i)) {
      longest = std::max(longest, static_cast<double>(std::abs(combined[i])));
      continue;
    }
    double mean = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
      mean += counts[r] / 25 * static_cast<double>(wild[r * own.columns() + i]);
    }
    EXPECT_NEAR(combined[i], mean, 1e-6 * std::abs(mean) + 1e-6);
  }
  EXPECT_GT(longest, 0);
  EXPECT_LT(longest, 1e-3);
}

TEST(RunningStatistics, AreNoPartOfTheLengthThatAnAttackerKeepsTo) {
  NormalizingWorld own;
  std::vector<float> update = own.with_wild_statistics();
  update.resize(own.columns());
  UpdateRow row = {own.context, update.data(), own.columns(), own.network.trained_ranges()};
  ProjectUpdate(ProjectSettings{0.5}).edit_update({}, row);
  double squared = 0;
  for (std::int64_t i = 0; i < own.columns(); ++i) {
    const auto value = static_cast<double>(update[i]);
    if (own.is_trained(i)) squared += value * value;
  }
  EXPECT_NEAR(std::sqrt(squared), 0.5, 1e-6);
}

TEST(RunningStatistics, OfAnAttackerWhoSendsNoiseAreItsOwn) {
  NormalizingWorld own;
  std::vector<float> update(static_cast<std::size_t>(own.columns()), 7.0F);
  UpdateRow row = {own.context, update.data(), own.columns(), own.network.trained_ranges()};
  SendNoise({.deviation = 1}, {.network = own.network, .seed = 3})
      .edit_update({.client = 1, .round = 1}, row);
  for (std::int64_t i = 0; i < own.columns(); ++i) {
    EXPECT_EQ(update[i] != 7.0F, own.is_trained(i)) << "column " << i;
  }
}

TEST(RunningStatistics, AreNamedToTheRuleByTheFederation) {
  class Look : public AggregationRule {
   public:
    explicit Look(std::vector<ColumnRange>& seen) : seen_(seen) {}
    std::string name() const override { return "look"; }
    Aggregate aggregate(Context& /*context*/, const UpdateMatrix& updates) override {
      seen_.assign(updates.trained_ranges.begin(), updates.trained_ranges.end());
      return {.row_weights = std::vector<double>(updates.clients.size(), 1.0)};
    }

   private:
    std::vector<ColumnRange>& seen_;
  };
  NormalizingWorld own;
  std::vector<ColumnRange> seen;
  std::vector<Client> clients = own.world.clients({30, 30});
  std::vector<ColumnRange> seen_by_attacker;
  clients[0].attack = std::make_shared<EditsUpdate>([&](UpdateRow& update) {
    seen_by_attacker.assign(update.trained.begin(), update.trained.end());
  });
  Executor executor(own.network, own.world.store.source(), Device(), 1, 16);
  Federation federation(executor, clients, std::make_unique<Look>(seen), small_settings(), 1);
  std::vector<float> row(own.columns());
  initialize(own.network.layout(), Initialization::uniform_fan_in, 11, row);
  GlobalModel model(own.network, row, Device());
  federation.run_round(model, 1, SmallWorld::kRate);
  EXPECT_EQ(seen, own.network.trained_ranges());
  EXPECT_EQ(seen_by_attacker, own.network.layout().trained_tensors());
}

}  // namespace
}  // namespace redoubt::test
