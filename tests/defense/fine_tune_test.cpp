// Fine-tuning: masks stay, everybody takes part, a stop loses nothing. And the tables.
#include "defense/stages.h"

#include "defense/adjust_weights.h"
#include "defense/prune.h"
#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(FineTune, TrainsUnderTheMasks) {
  TrainedWorld trained;
  Prune({.channels = 3}).run(trained.server, {});
  const std::vector<float> mask = trained.model.mask.download();
  const std::vector<float> before = trained.model.row.download();
  const Record record = *FineTune({.rounds = 2, .learning_rate = 0.02F}).run(trained.server, {});
  EXPECT_EQ(record.stage, "fine_tune");
  EXPECT_EQ(value_of<std::int64_t>(record, "rounds"), 2);
  EXPECT_EQ(trained.model.mask.download(), mask);
  const std::vector<float> after = trained.model.row.download();
  for (int c = 0; c < trained.layer().channels; ++c) {
    const auto from = trained.weight().offset + c * trained.per_channel();
    const std::vector<float> weights(after.begin() + from,
                                     after.begin() + from + trained.per_channel());
    const std::vector<float> old(before.begin() + from,
                                 before.begin() + from + trained.per_channel());
    if (mask[trained.layer().offset + c] == 0) {
      EXPECT_EQ(weights, std::vector<float>(weights.size(), 0.0F)) << "channel " << c;
    } else {
      EXPECT_NE(weights, old) << "channel " << c;
    }
  }
  EXPECT_EQ(value_of<double>(record, "accuracy"),
            trained.server.test(trained.model.variant()).front().clean.accuracy);
}

/// Wu et al. adjust last; where fine-tuning follows all the same, it may not bring back what was
/// taken.
TEST(FineTune, LeavesAdjustedWeightsAtZeroWhateverClientsSend) {
  TrainedWorld trained(true, [](std::vector<Client>& clients) {
    clients[2].attack = std::make_shared<EditsUpdate>([](UpdateRow& update) {
      for (int i = 0; i < update.size; ++i) update.values[i] += 1e-3F;
    });
  });
  AdjustWeights({.delta = 1}).run(trained.server, {});
  const std::vector<float> adjusted = trained.model.row.download();
  ASSERT_TRUE(trained.model.keeps_zeros());
  const std::vector<float> kept = trained.model.kept.download();
  FineTune({.rounds = 2, .learning_rate = 0.02F}).run(trained.server, {});
  const std::vector<float> tuned = trained.model.row.download();
  int zeroed = 0;
  int moved = 0;
  for (std::int64_t i = 0; i < trained.weight().size; ++i) {
    const auto at = static_cast<std::size_t>(trained.weight().offset + i);
    EXPECT_EQ(kept[at], adjusted[at] == 0 ? 0.0F : 1.0F);
    EXPECT_EQ(tuned[at] == 0, adjusted[at] == 0) << "weight " << i;
    zeroed += adjusted[at] == 0 ? 1 : 0;
    moved += tuned[at] != adjusted[at] ? 1 : 0;
  }
  EXPECT_GT(zeroed, 20);
  EXPECT_GT(moved, 20);
}

/// A client that notes the rounds in which it sends an update.
class NotesRounds : public Attack {
 public:
  explicit NotesRounds(std::vector<int>& rounds) : rounds_(rounds) {}
  void edit_update(const ClientRound& round, UpdateRow& /*update*/) override {
    rounds_.push_back(round.round);
  }

 private:
  std::vector<int>& rounds_;
};

TEST(FineTune, HasTheAttackerStillTakingPart) {
  std::vector<int> rounds;
  TrainedWorld trained(true, [&](std::vector<Client>& clients) {
    clients[2].attack = std::make_shared<NotesRounds>(rounds);
  });
  EXPECT_EQ(rounds.size(), static_cast<std::size_t>(TrainedWorld::kRounds));
  rounds.clear();
  FineTune({.rounds = 3}).run(trained.server, {.last_learning_rate = 0.01F});
  constexpr int kLast = TrainedWorld::kRounds;
  EXPECT_THAT(rounds, ElementsAre(kLast + 1, kLast + 2, kLast + 3));
}

TEST(FineTune, TrainsAtItsOwnLearningRateOrAtTheLast) {
  const auto result = [](const std::optional<float>& own, float last) {
    TrainedWorld trained;
    FineTune({.rounds = 1, .learning_rate = own}).run(trained.server, {.last_learning_rate = last});
    return trained.model.row.download();
  };
  EXPECT_EQ(result(0.02F, 0.5F), result(std::nullopt, 0.02F));
  EXPECT_NE(result(0.02F, 0.5F), result(0.01F, 0.5F));
}

TEST(FineTune, StopsWhenAskedAndGoesOnToTheSameBits) {
  const FineTune stage({.rounds = 4, .learning_rate = 0.02F});
  EXPECT_EQ(stage.rounds(), 4);
  TrainedWorld undisturbed;
  const Record expected = *stage.run(undisturbed.server, {});
  TrainedWorld stopped;
  std::vector<int> told;
  const auto record = stage.run(stopped.server, {.on_round = [&](int round, const RoundReport&) {
                                  told.push_back(round);
                                  return told.size() < 2;
                                }});
  EXPECT_FALSE(record.has_value());
  EXPECT_THAT(told, ElementsAre(TrainedWorld::kRounds + 1, TrainedWorld::kRounds + 2));
  const auto rest = stage.run(stopped.server, {.rounds_done = 2});
  ASSERT_TRUE(rest.has_value());
  EXPECT_EQ(rest->values, expected.values);
  EXPECT_EQ(stopped.model.row.download(), undisturbed.model.row.download());
}

TEST(StageTable, NamesEveryStageAsItNamesItself) {
  std::vector<std::string> made;
  for (const StageSettings& settings :
       {StageSettings(PruneSettings()), StageSettings(FineTuneSettings()),
        StageSettings(AdjustWeightsSettings()), StageSettings(LimitInputsSettings())}) {
    made.push_back(Stages::make(settings)->name());
  }
  std::vector<std::string> listed;
  for (const Alternative& entry : Stages::table()) listed.push_back(entry.name);
  EXPECT_EQ(made, listed);
}

}  // namespace
}  // namespace redoubt::test
