// The orders in which clients' votes put channels, against hand computations; and the judges.
#include <cmath>
#include <limits>

#include "defense/judge.h"
#include "defense/prune.h"
#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Ties = PruneSettings::Ties;

TEST(RankingVote, OrdersByTheMeanRankAndTiesByIndex) {
  // Mean ranks: channel 0: (0+3+3)/3 = 2, 1: (1+0+2)/3 = 1, 2: (2+1+0)/3 = 1, 3: (3+2+1)/3 = 2.
  const std::vector<DormancyReport> reports = {{.ranks = {0, 1, 2, 3}, .votes = {0, 0, 0, 0}},
                                               {.ranks = {3, 0, 1, 2}, .votes = {0, 0, 0, 0}},
                                               {.ranks = {3, 2, 0, 1}, .votes = {0, 0, 0, 0}}};
  EXPECT_THAT(ranking_vote(reports), ElementsAre(1, 2, 0, 3));
}

TEST(RankingVote, OfOneClientIsItsOwnOrder) {
  EXPECT_THAT(ranking_vote({{.ranks = {2, 0, 3, 1}, .votes = {}}}), ElementsAre(1, 3, 0, 2));
}

TEST(RankingVote, TakesNoNoticeOfVotes) {
  EXPECT_THAT(ranking_vote({{.ranks = {0, 1, 2}, .votes = {0, 1, 1}}}), ElementsAre(0, 1, 2));
}

// Votes: 2, 3, 2, 2, 0. Mean ranks of the three that tie: channel 0: 7/3, 2: 5/3, 3: 5/3.
const std::vector<DormancyReport> kTied = {{.ranks = {0, 1, 2, 3, 4}, .votes = {1, 1, 1, 0, 0}},
                                           {.ranks = {4, 0, 3, 1, 2}, .votes = {0, 1, 0, 1, 0}},
                                           {.ranks = {3, 2, 0, 1, 4}, .votes = {1, 1, 1, 1, 0}}};

TEST(MajorityVote, BreaksTiesByMeanRankAndThenByIndex) {
  EXPECT_THAT(majority_vote(kTied, Ties::mean_rank), ElementsAre(1, 2, 3, 0, 4));
}

TEST(MajorityVote, BreaksTiesByIndexAlone) {
  EXPECT_THAT(majority_vote(kTied, Ties::index), ElementsAre(1, 0, 2, 3, 4));
}

TEST(MajorityVote, MayPutTheVotesBeforeTheRanks) {
  // The mean rank alone puts channel 0 first: 1, 4/3, 5/3, 2.
  const std::vector<DormancyReport> reports = {{.ranks = {0, 1, 2, 3}, .votes = {1, 1, 0, 0}},
                                               {.ranks = {0, 1, 2, 3}, .votes = {1, 1, 0, 0}},
                                               {.ranks = {3, 1, 2, 0}, .votes = {0, 1, 0, 1}}};
  EXPECT_THAT(ranking_vote(reports), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(majority_vote(reports, Ties::mean_rank), ElementsAre(1, 0, 3, 2));
}

std::vector<Evaluation> accuracies(std::initializer_list<double> values) {
  std::vector<Evaluation> levels;
  for (const double value : values) levels.push_back({.accuracy = value, .loss = NAN});
  return levels;
}

TEST(LastTolerable, IsTheLevelBeforeTheFirstThatLosesTooMuch) {
  const StopRule stop = {.accuracy_drop = 0.02, .loss_rise = {}};
  EXPECT_EQ(last_tolerable(accuracies({0.9, 0.91, 0.89, 0.87, 0.95}), stop), 2)
      << "what comes after the first that is too bad is not looked at";
  EXPECT_EQ(last_tolerable(accuracies({0.9, 0.5}), stop), 0);
  EXPECT_EQ(last_tolerable(accuracies({0.9, 0.89, 0.885}), stop), 2);
  EXPECT_EQ(last_tolerable(accuracies({0.9}), stop), 0);
}

TEST(LastTolerable, ToleratesALossOfExactlyWhatIsAllowed) {
  // Quotients of whole numbers of images: some differences round up, some down.
  for (int images = 100; images <= 1000; ++images) {
    for (int correct = images / 2; correct <= images; correct += 7) {
      const auto share = [&](int count) { return count / static_cast<double>(images); };
      const int allowed = images / 50;
      const StopRule stop = {.accuracy_drop = share(allowed), .loss_rise = {}};
      ASSERT_EQ(last_tolerable(accuracies({share(correct), share(correct - allowed)}), stop), 1)
          << correct << " of " << images;
      ASSERT_EQ(last_tolerable(accuracies({share(correct), share(correct - allowed - 1)}), stop),
                0);
    }
  }
}

TEST(LastTolerable, MindsTheLossAloneOrBoth) {
  const std::vector<Evaluation> levels = {{.accuracy = 0.9, .loss = 1.0},
                                          {.accuracy = 0.5, .loss = 1.1},
                                          {.accuracy = 0.9, .loss = 1.3}};
  EXPECT_EQ(last_tolerable(levels, {.accuracy_drop = {}, .loss_rise = 0.2}), 1);
  EXPECT_EQ(last_tolerable(levels, {.accuracy_drop = 0.1, .loss_rise = 0.2}), 0);
  EXPECT_EQ(last_tolerable(levels, {.accuracy_drop = {}, .loss_rise = {}}), 2);
}

TEST(LastTolerable, NeverToleratesWhatIsNotANumber) {
  EXPECT_EQ(last_tolerable(accuracies({0.9, NAN}), {.accuracy_drop = 0.5, .loss_rise = {}}), 0);
  EXPECT_EQ(last_tolerable(accuracies({0.9, 0.9}), {.accuracy_drop = 0.5, .loss_rise = 1}), 0);
}

TEST(Judge, IsTheServerIfItHoldsImagesAndElseTheClients) {
  for (const bool validation : {true, false}) {
    TrainedWorld trained(validation);
    const std::vector<float> row = trained.model.row.download();
    const std::vector<float> mask = trained.model.mask.download();
    const auto by = [&](Judge who) {
      return judge(trained.server, trained.model.variant(), who, {}).front();
    };
    EXPECT_EQ(by(Judge::clients).accuracy, trained.ask(row, mask));
    EXPECT_TRUE(std::isnan(by(Judge::clients).loss));
    EXPECT_EQ(by(Judge::automatic).accuracy,
              by(validation ? Judge::validation : Judge::clients).accuracy);
    if (validation) {
      EXPECT_EQ(by(Judge::validation).accuracy, trained.validate(row, mask).accuracy);
      EXPECT_EQ(by(Judge::validation).loss, trained.validate(row, mask).loss);
      EXPECT_NE(by(Judge::validation).accuracy, by(Judge::clients).accuracy);
    }
  }
}

TEST(Judge, SaysWhatItCannotJudge) {
  TrainedWorld trained(false);
  const auto error = [&](Judge who, const StopRule& stop) {
    return input_error([&] { judge(trained.server, trained.model.variant(), who, stop); });
  };
  EXPECT_THAT(error(Judge::validation, {}), HasSubstr("data.validation_samples"));
  EXPECT_THAT(error(Judge::clients, {.accuracy_drop = {}, .loss_rise = 0.1}),
              HasSubstr("loss_rise"));
  EXPECT_THAT(error(Judge::automatic, {.accuracy_drop = 0.1, .loss_rise = 0.1}),
              HasSubstr("loss_rise"));
}

}  // namespace
}  // namespace redoubt::test
