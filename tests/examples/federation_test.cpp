// The README's attack and defense, each in rounds of a small federation.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "datasets/partition.h"
#include "datasets/synthetic.h"
#include "engine/initialize.h"
#include "fl/attack/settings.h"
#include "fl/federation.h"
#include "fl/image_store.h"
#include "tests/examples/drop_longest.h"
#include "tests/examples/stay_small.h"
#include "tests/support/expect_message.h"

namespace redoubt {
namespace {

/// What a rule was given in a round.
struct SeenUpdates {
  std::map<int, std::vector<float>> rows;  ///< by client
  std::vector<double> sample_counts;

  double norm(int client) const {
    double sum = 0;
    for (const float x : rows.at(client)) sum += static_cast<double>(x) * static_cast<double>(x);
    return std::sqrt(sum);
  }
};

/// Notes what the rule within is given.
class Spy : public AggregationRule {
 public:
  Spy(std::unique_ptr<AggregationRule> rule, SeenUpdates& seen)
      : rule_(std::move(rule)), seen_(seen) {}
  std::string name() const override { return rule_->name(); }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override {
    seen_.rows.clear();
    for (int row = 0; row < updates.shape.rows; ++row) {
      const float* values = updates.matrix[row];
      seen_.rows[updates.clients[row]] = {values, values + updates.shape.columns};
    }
    seen_.sample_counts.assign(updates.sample_counts.begin(), updates.sample_counts.end());
    return rule_->aggregate(context, updates);
  }

 private:
  std::unique_ptr<AggregationRule> rule_;
  SeenUpdates& seen_;
};

/// Three clients with 100, 100 and 60 synthetic images.
class FederationExample : public testing::Test {
 protected:
  static std::vector<Client> population(const Dataset& dataset) {
    std::vector<std::vector<int>> dealt(3);
    for (int image = 0; image < dataset.train.count(); ++image) {
      dealt[std::min(image / 100, 2)].push_back(image);
    }
    return make_population(dealt, dataset.train.labels);
  }

  /// Client 1 attacks so.
  void start(std::shared_ptr<Attack> attack, std::unique_ptr<AggregationRule> rule) {
    std::vector<Client> clients = population(dataset_);
    clients[1].attack = std::move(attack);
    FederationSettings settings;
    settings.clients = 3;
    settings.local.batch = 20;
    federation_ = std::make_unique<Federation>(
        executor_, std::move(clients), std::make_unique<Spy>(std::move(rule), seen_), settings, 1);
  }

  std::vector<float> fresh_row() const {
    std::vector<float> row(static_cast<std::size_t>(network_.layout().row_size()));
    initialize(network_.layout(), Initialization::he, 1, row);
    return row;
  }

  const Dataset dataset_ = make_synthetic("synthetic-gray", {1, 28, 28}, 260, 10, 1);
  const Network network_{dataset_.shape, 10, std::vector<LayerSpec>{Dense::Settings{.units = 10}}};
  const ImageStore images_{dataset_, {.mean = {0.5F}, .deviation = {0.5F}}, {}, Device()};
  Executor executor_{network_, images_.source(), Device(), 2, 20};
  GlobalModel model_{network_, fresh_row(), Device()};
  SeenUpdates seen_;
  std::unique_ptr<Federation> federation_;
};

TEST_F(FederationExample, StaySmallSendsNothingLongerThanTheModelsStepsSoFar) {
  start(std::make_shared<StaySmall>(StaySmall::Settings{.times = 0.5}), std::make_unique<FedAvg>());
  std::vector<double> steps;
  for (int round = 1; round <= 3; ++round) {
    const std::vector<float> before = model_.row.download();
    federation_->run_round(model_, round, 0.01F);
    if (round > 1) {
      double mean = 0;
      for (const double step : steps) mean += step / static_cast<double>(steps.size());
      EXPECT_NEAR(seen_.norm(1), 0.5 * mean, 1e-5);
      EXPECT_GT(seen_.norm(0), 0.6 * mean) << "an honest client was shortened";
    } else {
      EXPECT_NEAR(seen_.norm(1), seen_.norm(0), 0.5 * seen_.norm(0)) << "nothing is known yet";
    }
    const std::vector<float> after = model_.row.download();
    double squared = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
      squared += std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
    }
    steps.push_back(std::sqrt(squared));
  }
}

TEST_F(FederationExample, StaySmallLeavesAShortUpdateAsItIs) {
  const auto second_norm = [&](std::shared_ptr<Attack> attack) {
    model_.row.upload(fresh_row());
    start(std::move(attack), std::make_unique<FedAvg>());
    for (const int round : {1, 2}) federation_->run_round(model_, round, 0.01F);
    return seen_.norm(1);
  };
  EXPECT_EQ(second_norm(std::make_shared<StaySmall>(StaySmall::Settings{.times = 1e6})),
            second_norm(std::make_shared<Attack>()));
}

TEST_F(FederationExample, StaySmallGoesOnFromACheckpointToTheSameBits) {
  const auto attack = [] { return std::make_shared<StaySmall>(StaySmall::Settings{.times = 0.5}); };
  start(attack(), std::make_unique<FedAvg>());
  for (const int round : {1, 2}) federation_->run_round(model_, round, 0.01F);
  const std::vector<NamedTensor> state = federation_->state();
  const std::vector<float> stopped_at = model_.row.download();
  federation_->run_round(model_, 3, 0.01F);
  const std::vector<float> whole = model_.row.download();

  model_.row.upload(stopped_at);
  start(attack(), std::make_unique<FedAvg>());
  federation_->restore(state);
  federation_->run_round(model_, 3, 0.01F);
  EXPECT_EQ(model_.row.download(), whole);
}

TEST_F(FederationExample, DropLongestAveragesTheOthersBySampleCount) {
  start(std::make_shared<ModelReplacement>(ModelReplacementSettings{.scale = 10}),
        std::make_unique<DropLongest>(DropLongestSettings()));
  const RoundReport report = federation_->run_round(model_, 1, 0.01F);
  EXPECT_EQ(report.removed, std::vector<int>{1});
  ASSERT_EQ(report.diagnostics.size(), 2U);
  EXPECT_EQ(report.diagnostics[1].first, "client_scores");
  const auto lengths = std::get<std::vector<double>>(report.diagnostics[1].second);
  for (const int client : {0, 1, 2}) EXPECT_NEAR(lengths[client], seen_.norm(client), 1e-6);
  EXPECT_EQ(seen_.sample_counts, (std::vector<double>{100, 100, 60}));

  const std::vector<float> before = fresh_row();
  const std::vector<float> after = model_.row.download();
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double mean = (100.0 * static_cast<double>(seen_.rows.at(0)[i]) +
                         60.0 * static_cast<double>(seen_.rows.at(2)[i])) /
                        160.0;
    ASSERT_NEAR(after[i], static_cast<double>(before[i]) + mean, 1e-6) << "parameter " << i;
  }
}

/// As its name in the list makes it one of those that a file can name.
struct RulesAndDropLongest : RulesOf<FedAvg, DropLongest> {};

TEST_F(FederationExample, DropLongestIsARuleAmongOthersOnceItIsInTheList) {
  const RulesAndDropLongest::Settings settings = DropLongestSettings{.clients = 2};
  EXPECT_STREQ(RulesAndDropLongest::name_of(settings), "drop-longest");
  EXPECT_EQ(RulesAndDropLongest::table().back().description, "leaves out the longest updates");
  start(nullptr, RulesAndDropLongest::make(settings, {.executor = executor_}));
  const RoundReport report = federation_->run_round(model_, 1, 0.01F);
  EXPECT_EQ(report.removed->size(), 2U);
  EXPECT_EQ(report.used, 1);

  const RuleConditions two_clients = {.participants = 2, .layout = network_.layout()};
  EXPECT_NO_THROW(RulesAndDropLongest::check(DropLongestSettings{.clients = 1}, two_clients));
  EXPECT_EQ(test::input_error([&] { RulesAndDropLongest::check(settings, two_clients); }),
            "defense.rule: drop-longest.clients is 2, which takes a round of at least 3 clients; "
            "there are 2");
}

}  // namespace
}  // namespace redoubt
