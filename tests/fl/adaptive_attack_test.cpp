// Attackers who know the defense: what each sends, against plain loops.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "fl/attack/campaign.h"
#include "fl/client_sampling.h"
#include "tests/fl/sent_updates.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(OwnTraining, ReplacesWhatItNamesAndLeavesTheRest) {
  LocalTraining training = {
      .epochs = 2, .batch = 64, .optimizer = Sgd::Settings{.learning_rate = 0.1F}};
  OwnTraining({.epochs = 6, .batch = {}, .learning_rate = 0.05F}).edit_training({}, training);
  EXPECT_EQ(training.epochs, 6);
  EXPECT_EQ(training.batch, 64);
  EXPECT_EQ(learning_rate_of(training.optimizer), 0.05F);
  OwnTraining({.epochs = {}, .batch = 20, .learning_rate = {}}).edit_training({}, training);
  EXPECT_EQ(training.batch, 20);
  EXPECT_EQ(training.epochs, 6);
}

TEST(Evade, KeepsTheAttackersModelNearTheGlobalOneAndTouchesNobodyElse) {
  SmallWorld world;
  const Rows honest = sent_updates(world, world.clients({60, 60, 60}));
  double last = length(honest[1]);
  for (const double rho : {0.3, 0.8, 1.0}) {
    const Rows rows = sent_updates(
        world, with_attacker<Evade>(world, {60, 60, 60}, {EvasionSettings::Metric::l2, rho}));
    EXPECT_EQ(rows[0], honest[0]);
    EXPECT_EQ(rows[2], honest[2]);
    EXPECT_LT(length(rows[1]), last) << rho;
    last = length(rows[1]);
  }
  EXPECT_EQ(last, 0) << "with all weight on the distance nothing is learnt";
}

TEST(Evade, TurnsTheUpdateTowardsTheLastGlobalStep) {
  for (const bool resumed : {false, true}) {
    SmallWorld world;
    const auto second_update = [&](double rho) {
      const EvasionSettings settings = {EvasionSettings::Metric::cosine, rho};
      std::vector<Client> clients = with_attacker<Evade>(world, {60, 60, 60}, settings);
      std::vector<float> sent;
      add_attack(clients[1], std::make_shared<EditsUpdate>([&](UpdateRow& update) {
                   sent.assign(update.values, update.values + update.size);
                 }));
      Federation federation = world.federation(clients, small_settings());
      GlobalModel model = world.model();
      std::vector<float> step = model.row.download();
      federation.run_round(model, 1, SmallWorld::kRate);
      const std::vector<float> after = model.row.download();
      for (std::size_t i = 0; i < step.size(); ++i) step[i] = after[i] - step[i];
      // What a checkpoint holds is enough to go on.
      Federation other = world.federation(clients, small_settings());
      other.restore(federation.state());
      (resumed ? other : federation).run_round(model, 2, SmallWorld::kRate);
      return cosine(sent, step);
    };
    const double plain = second_update(0);
    EXPECT_GT(second_update(0.9), plain + 0.05);
  }
}

TEST(ProjectUpdate, ShortensLongUpdatesOnly) {
  SmallWorld world;
  std::vector<float> values = {3, 0, -4};
  UpdateRow update = {world.executor.context(), values.data(), 3};
  ProjectUpdate(ProjectSettings{5.5}).edit_update({}, update);
  EXPECT_THAT(values, ElementsAre(3, 0, -4));
  ProjectUpdate(ProjectSettings{2.5}).edit_update({}, update);
  EXPECT_THAT(values, ElementsAre(1.5F, 0, -2));
}

TEST(ClipOwnWeights, LeavesNoWeightBeyondItsDeviations) {
  SmallWorld world;
  const double delta = 1.2;
  const Rows rows =
      sent_updates(world, with_attacker<ClipOwnWeights>(world, {60, 60}, {"last", delta}));
  const std::vector<float> global = world.model().row.download();
  const ParameterSpan& weight = *world.network.layout().find("conv2.weight");
  const auto farthest = [&](const std::vector<float>& update) {
    std::vector<double> own;
    for (std::int64_t i = weight.offset; i < weight.offset + weight.size; ++i) {
      own.push_back(static_cast<double>(global[i]) + static_cast<double>(update[i]));
    }
    const double mean =
        std::accumulate(own.begin(), own.end(), 0.0) / static_cast<double>(own.size());
    double squares = 0;
    double far = 0;
    for (const double w : own) {
      squares += (w - mean) * (w - mean);
      far = std::max(far, std::abs(w - mean));
    }
    return far / std::sqrt(squares / static_cast<double>(own.size()));
  };
  EXPECT_GT(farthest(rows[0]), 1.6);
  // Clamping shrinks the deviation that it is measured by.
  EXPECT_LT(farthest(rows[1]), 1.4);
}

TEST(TrainUnderMask, MovesNoWeightOfTheChannelsThatItExpectsToBePruned) {
  SmallWorld world;
  const Rows rows =
      sent_updates(world, with_attacker<TrainUnderMask>(world, {60, 60, 60}, {"last", 0.5}));
  const Rows honest = sent_updates(world, world.clients({60, 60, 60}));
  EXPECT_EQ(rows[0], honest[0]);
  EXPECT_EQ(rows[2], honest[2]);
  const ParameterSpan& weight = *world.network.layout().find("conv2.weight");
  const std::int64_t per_channel = weight.size / 8;
  int still = 0;
  for (int c = 0; c < 8; ++c) {
    const auto first = rows[1].begin() + weight.offset + c * per_channel;
    still += std::all_of(first, first + per_channel, [](float x) { return x == 0; }) ? 1 : 0;
  }
  EXPECT_EQ(still, 4) << "half of eight channels";
}

TEST(ProtectChannels, RanksLastWhatItsPoisonedImagesRouse) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({50, 50, 50});
  std::vector<Sample> poisoned;
  for (Sample sample : clients[1].samples) {
    sample.trigger = static_cast<std::int16_t>(world.trigger);
    poisoned.push_back(sample);
  }
  // Every image is of a victim.
  const Backdoor backdoor = {.goal = {.victim = std::nullopt, .target = 10},
                             .stamps = {world.trigger}};
  clients[1].attack = std::make_shared<ProtectChannels>(backdoor);
  Federation federation = world.federation(clients, small_settings());
  const GlobalModel model = world.model();
  const ChannelSpan& layer = world.network.layout().conv_channels("last");
  const auto reports = federation.ask_dormancy(model, layer, 0.5, 1);

  const std::vector<std::span<const Sample>> lists = {clients[1].samples, poisoned};
  const auto records = world.executor.record_activations(model.variant(), lists);
  std::vector<double> roused;
  for (int c = 0; c < layer.channels; ++c) {
    const auto at = static_cast<std::size_t>(layer.offset + c);
    roused.push_back(records[1][at] - records[0][at]);
  }
  EXPECT_EQ(reports[1].ranks, ascending_ranks(roused));
  EXPECT_EQ(std::accumulate(reports[1].votes.begin(), reports[1].votes.end(), 0), 4);
  for (std::size_t c = 0; c < reports[1].votes.size(); ++c) {
    EXPECT_EQ(reports[1].votes[c], reports[1].ranks[c] < 4 ? 1 : 0);
  }
}

/// Two clients who flip signs, others in each round.
AttackSettings two_redrawn() {
  AttackSettings settings;
  settings.clients = 2;
  settings.redraw = true;
  settings.untargeted = SignFlipSettings{.factor = 1};
  return settings;
}

TEST(DrawnAttackers, AreAsManyInEachRoundAndOthersInMost) {
  SmallWorld world;
  const AttackSettings settings = two_redrawn();
  const std::vector<int> sizes(8, 12);
  std::vector<Client> clients = world.clients(sizes);
  const std::vector<int> candidates = {0, 1, 2, 4, 5, 7};
  const AttackedPopulation population = {.clients = 8, .seed = 4, .candidates = candidates};
  corrupt(clients, std::make_shared<Campaign>(settings, population, std::nullopt,
                                              AttackEnvironment{.network = world.network}));
  std::vector<std::vector<int>> drawn;
  for (int round = 1; round <= 6; ++round) {
    const Rows honest = sent_updates(world, world.clients(sizes), round);
    const Rows rows = sent_updates(world, clients, round);
    std::vector<int> attackers;
    for (int k = 0; k < 8; ++k) {
      if (rows[k] != honest[k]) {
        attackers.push_back(k);
      }
    }
    EXPECT_EQ(attackers,
              redraw_attackers(settings, candidates, sample_clients(8, {}, 4, round), 4, round));
    EXPECT_EQ(attackers.size(), 2U);
    EXPECT_TRUE(
        std::includes(candidates.begin(), candidates.end(), attackers.begin(), attackers.end()));
    drawn.push_back(attackers);
  }
  std::sort(drawn.begin(), drawn.end());
  EXPECT_GT(std::unique(drawn.begin(), drawn.end()) - drawn.begin(), 3);
}

TEST(DrawnAttackers, AreAmongThoseWhoTakePartWhereClientsAreSampled) {
  SmallWorld world;
  const AttackSettings settings = two_redrawn();
  std::vector<Client> clients = world.clients(std::vector<int>(8, 12));
  const std::vector<int> candidates = {0, 1, 2, 4, 5, 7};
  const AttackedPopulation population = {
      .clients = 8, .clients_per_round = 3, .seed = SmallWorld::kSeed, .candidates = candidates};
  corrupt(clients, std::make_shared<Campaign>(settings, population, std::nullopt,
                                              AttackEnvironment{.network = world.network}));
  FederationSettings sampled = small_settings();
  sampled.clients_per_round = 3;
  Federation federation = world.federation(clients, sampled);
  GlobalModel model = world.model();
  int fewer = 0;
  for (int round = 1; round <= 12; ++round) {
    std::vector<int> able;
    for (const int id : federation.participants_of(round)) {
      if (std::binary_search(candidates.begin(), candidates.end(), id)) able.push_back(id);
    }
    const std::vector<int> attackers =
        federation.run_round(model, round, SmallWorld::kRate).attackers;
    EXPECT_EQ(attackers.size(), std::min<std::size_t>(2, able.size())) << "round " << round;
    EXPECT_TRUE(std::includes(able.begin(), able.end(), attackers.begin(), attackers.end()));
    fewer += able.size() < 2 ? 1 : 0;
  }
  EXPECT_LT(fewer, 12);
}

TEST(AttackSettings, ThatContradictOneAnotherNameBothKeys) {
  SmallWorld world;
  const auto message = [&](const std::function<void(AttackSettings&)>& edit) {
    AttackSettings settings;
    edit(settings);
    return input_error([&] {
      check_attack(settings, AttackSettings(),
                   {.attack = settings,
                    .images = {1, 28, 28},
                    .layout = world.network.layout(),
                    .clients = 10});
    });
  };
  EXPECT_THAT(message([](AttackSettings& s) {
                s.untargeted = SignFlipSettings();
                s.trigger = TargetedTriggerSettings();
              }),
              HasSubstr("attack.untargeted and attack.trigger contradict"));
  EXPECT_THAT(message([](AttackSettings& s) {
                s.untargeted = LittleIsEnoughSettings();
                s.clients = 2;
                s.of<ModelReplacement>().scale = 3;
              }),
              HasSubstr("attack.untargeted and attack.scale contradict"));
  EXPECT_THAT(message([](AttackSettings& s) {
                s.redraw = true;
                s.clients = std::vector<int>{1};
              }),
              HasSubstr("attack.redraw"));
  EXPECT_THAT(message([](AttackSettings& s) {
                s.redraw = true;
                s.trigger = DistributedTriggerSettings();
              }),
              HasSubstr("attack.redraw and attack.trigger.kind distributed contradict"));
  EXPECT_THAT(message([](AttackSettings& s) { s.untargeted = LittleIsEnoughSettings(); }),
              HasSubstr("attack.clients 1"));
}

}  // namespace
}  // namespace redoubt::test
