// The contract between the server and an aggregation rule: what a rule sees, and what the server
// makes of its answer.
#include "fl/aggregation.h"

#include <cmath>

#include "tests/fl/small_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// What one call of a rule saw.
struct Seen {
  std::vector<int> clients;
  std::vector<double> sample_counts;
  std::vector<float> first_values;  ///< column 0 of each row
};

/// A rule that answers by a function of its own.
class AnyRule : public AggregationRule {
 public:
  AnyRule(bool streams, std::function<Aggregate(const UpdateMatrix&)> answer,
          std::vector<Seen>& seen)
      : streams_(streams), answer_(std::move(answer)), seen_(seen) {}
  bool streams() const override { return streams_; }
  std::string name() const override { return "any-rule"; }
  Aggregate aggregate(Context& /*context*/, const UpdateMatrix& updates) override {
    Seen seen = {.clients = {updates.clients.begin(), updates.clients.end()},
                 .sample_counts = {updates.sample_counts.begin(), updates.sample_counts.end()},
                 .first_values = {}};
    for (int r = 0; r < updates.shape.rows; ++r) seen.first_values.push_back(updates.matrix[r][0]);
    seen_.push_back(seen);
    return answer_(updates);
  }

 private:
  bool streams_;
  std::function<Aggregate(const UpdateMatrix&)> answer_;
  std::vector<Seen>& seen_;
};

class Rule : public testing::Test {
 protected:
  /// Client k sends k + 1 in every column, but NaN if it is the broken one.
  std::vector<Client> clients(int broken = -1) {
    std::vector<Client> all = world.clients({10, 20, 30, 40});
    for (Client& client : all) {
      const float value = client.id == broken ? NAN : static_cast<float>(client.id + 1);
      client.attack = std::make_shared<EditsUpdate>(
          [value](UpdateRow& update) { std::fill_n(update.values, update.size, value); });
    }
    return all;
  }

  /// How far each column moved; all columns move alike here.
  float moved_by(bool streams, const std::function<Aggregate(const UpdateMatrix&)>& answer,
                 const FederationSettings& settings, int broken = -1) {
    seen.clear();
    Federation federation = world.federation(clients(broken), settings,
                                             std::make_unique<AnyRule>(streams, answer, seen));
    GlobalModel model = world.model();
    const std::vector<float> start = model.row.download();
    report = federation.run_round(model, 1, SmallWorld::kRate);
    const std::vector<float> end = model.row.download();
    for (std::size_t i = 0; i < start.size(); ++i) {
      EXPECT_NEAR(end[i] - start[i], end[0] - start[0], 1e-5) << i;
    }
    return end[0] - start[0];
  }

  static Aggregate equal_weights(const UpdateMatrix& updates) {
    return {.row_weights = std::vector<double>(updates.clients.size(), 1.0)};
  }

  SmallWorld world;
  std::vector<Seen> seen;
  RoundReport report;
};

TEST_F(Rule, ThatNeedsAllUpdatesSeesThemAtOnceInTheOrderOfTheirIds) {
  EXPECT_NEAR(moved_by(false, equal_weights, small_settings()), 2.5, 1e-5);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_THAT(seen[0].clients, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(seen[0].sample_counts, ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(seen[0].first_values, ElementsAre(1, 2, 3, 4));
}

TEST_F(Rule, ThatNeedsAllUpdatesRefusesASmallerWave) {
  FederationSettings settings = small_settings();
  settings.wave = 3;
  EXPECT_THAT(input_error([&] { moved_by(false, equal_weights, settings); }),
              AllOf(HasSubstr("federation.wave is 3"), HasSubstr("all 4 updates")));
  // Three at a time are enough for a round of three.
  settings.clients_per_round = 3;
  EXPECT_NO_THROW(moved_by(false, equal_weights, settings));
}

TEST_F(Rule, ThatStreamsIsCalledOnceAWave) {
  FederationSettings settings = small_settings();
  settings.wave = 3;
  EXPECT_NEAR(moved_by(true, equal_weights, settings), 2.5, 1e-5);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_THAT(seen[0].clients, ElementsAre(0, 1, 2));
  EXPECT_THAT(seen[1].clients, ElementsAre(3));
  EXPECT_THAT(seen[1].sample_counts, ElementsAre(40));
}

TEST_F(Rule, SeesFiniteUpdatesOnly) {
  EXPECT_NEAR(moved_by(false, equal_weights, small_settings(), 1), (1 + 3 + 4) / 3.0, 1e-5);
  EXPECT_EQ(report.rejected, 1);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_THAT(seen[0].clients, ElementsAre(0, 2, 3));
  EXPECT_THAT(seen[0].sample_counts, ElementsAre(10, 30, 40));
  EXPECT_THAT(seen[0].first_values, ElementsAre(1, 3, 4));
}

TEST_F(Rule, IsNotAskedAboutAWaveWithNothingFinite) {
  FederationSettings settings = small_settings();
  settings.wave = 1;
  EXPECT_NEAR(moved_by(true, equal_weights, settings, 2), (1 + 2 + 4) / 3.0, 1e-5);
  EXPECT_EQ(seen.size(), 3U);
}

TEST_F(Rule, MayChooseOneClientByWeights) {
  FederationSettings settings = small_settings();
  settings.server_lr = 0.5F;
  const auto krum_like = [](const UpdateMatrix&) {
    return Aggregate{.row_weights = {0, 0, 0.7, 0}};
  };
  // The server divides by the sum of weights: 0.5 · 3.
  EXPECT_NEAR(moved_by(false, krum_like, settings), 1.5, 1e-5);
}

TEST_F(Rule, ThatTrustsNobodyKeepsTheModel) {
  const auto nobody = [](const UpdateMatrix& updates) {
    return Aggregate{.row_weights = std::vector<double>(updates.clients.size())};
  };
  EXPECT_EQ(moved_by(false, nobody, small_settings()), 0);
}

TEST_F(Rule, MayAnswerWithACombinedRow) {
  FederationSettings settings = small_settings();
  settings.server_lr = 0.5F;
  const auto median_like = [](const UpdateMatrix& updates) {
    const std::vector<float> threes(static_cast<std::size_t>(updates.shape.columns), 3.0F);
    return Aggregate{.row_weights = {},
                     .combined = {Device(), std::span<const float>(threes)},
                     .diagnostics = {{"removed_clients", 2.0}}};
  };
  EXPECT_NEAR(moved_by(false, median_like, settings), 1.5, 1e-5);
  EXPECT_THAT(report.diagnostics, ElementsAre(testing::Pair("removed_clients", RecordValue(2.0))));
}

TEST_F(Rule, ThatAnswersInTheWrongShapeIsABrokenContract) {
  const auto too_few = [](const UpdateMatrix&) { return Aggregate{.row_weights = {1, 1}}; };
  EXPECT_THROW(moved_by(false, too_few, small_settings()), std::logic_error);
  const auto short_row = [](const UpdateMatrix&) {
    return Aggregate{.row_weights = {}, .combined = {Device(), 2}};
  };
  EXPECT_THROW(moved_by(false, short_row, small_settings()), std::logic_error);
}

TEST_F(Rule, WhoseWeightIsNegativeOrNoNumberIsNamed) {
  for (const double weight : {-1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    const auto bad = [weight](const UpdateMatrix&) {
      return Aggregate{.row_weights = {1, 1, weight, 1}};
    };
    for (const bool streams : {false, true}) {
      EXPECT_THAT(test::input_error([&] { moved_by(streams, bad, small_settings()); }),
                  testing::HasSubstr("the aggregation rule any-rule gave client 2 the weight "))
          << weight;
    }
  }
}

TEST_F(Rule, WhoseCombinedRowIsNotFiniteIsNamed) {
  const auto bad = [](const UpdateMatrix& updates) {
    std::vector<float> row(static_cast<std::size_t>(updates.shape.columns));
    row.back() = NAN;
    return Aggregate{.row_weights = {}, .combined = {Device(), std::span<const float>(row)}};
  };
  EXPECT_THAT(test::input_error([&] { moved_by(false, bad, small_settings()); }),
              testing::HasSubstr("the aggregation rule any-rule combined finite updates to a row"));
}

TEST_F(Rule, FedAvgWeighsByWhatClientsTrainedOn) {
  const std::vector<double> counts = {7, 0.5, 100};
  const std::vector<int> ids = {1, 4, 6};
  const Aggregate answer = FedAvg().aggregate(
      world.executor.context(),
      {.shape = {.rows = 3, .columns = 0}, .matrix = {}, .sample_counts = counts, .clients = ids});
  EXPECT_EQ(answer.row_weights, counts);
  EXPECT_EQ(answer.combined.count(), 0);
  EXPECT_TRUE(FedAvg().streams());
}

}  // namespace
}  // namespace redoubt::test
