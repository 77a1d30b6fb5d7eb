// What a malicious client does: poisoned samples, amplified updates, and when.
#include <algorithm>
#include <cmath>
#include <set>

#include "fl/attack/campaign.h"
#include "tests/fl/small_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using testing::AllOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

const std::vector<Sample> kOwn = {{.image = 10, .label = 9},
                                  {.image = 11, .label = 1},
                                  {.image = 12, .label = 4},
                                  {.image = 13, .label = 9}};

TEST(PoisonSamples, AddsStampedCopiesOfTheVictimClassBesideAllCleanData) {
  PoisonSamples poison({.goal = {.victim = 9, .target = 1}, .stamps = {2}}, 2);
  std::vector<Sample> samples = kOwn;
  poison.edit_samples({}, samples);
  std::vector<Sample> expected = kOwn;
  for (int copy = 0; copy < 2; ++copy) {
    for (const int image : {10, 13}) expected.push_back({.image = image, .trigger = 2, .label = 1});
  }
  EXPECT_THAT(samples, ElementsAreArray(expected));
}

TEST(PoisonSamples, TakesEveryClassButTheTargetIfThereIsNoVictim) {
  PoisonSamples poison({.goal = {.victim = std::nullopt, .target = 1}, .stamps = {0}}, 1);
  std::vector<Sample> samples = kOwn;
  poison.edit_samples({}, samples);
  ASSERT_EQ(samples.size(), 7U);
  std::multiset<int> stamped;
  for (std::size_t i = 4; i < 7; ++i) {
    EXPECT_EQ(samples[i].trigger, 0);
    EXPECT_EQ(samples[i].label, 1);
    stamped.insert(samples[i].image);
  }
  EXPECT_EQ(stamped, (std::multiset<int>{10, 12, 13}));
}

TEST(StampedTestSamples, AreTheVictimsUnderTheTriggerNeverTheTargetItself) {
  const std::vector<std::uint8_t> labels = {9, 1, 3, 9, 1};
  EXPECT_THAT(stamped_test_samples(labels, 100, {.trigger = 1, .victim = 9, .target = 1}),
              ElementsAre(Sample{100, 1, 1}, Sample{103, 1, 1}));
  EXPECT_THAT(
      stamped_test_samples(labels, 100, {.trigger = 1, .victim = std::nullopt, .target = 1}),
      ElementsAre(Sample{100, 1, 1}, Sample{102, 1, 1}, Sample{103, 1, 1}));
}

TEST(ModelReplacement, MultipliesTheUpdateByAlphaExactly) {
  SmallWorld world;
  using Alpha = ModelReplacementSettings::Alpha;
  for (const auto& [settings, factor] :
       {std::pair<ModelReplacementSettings, float>{{.scale = 3}, 3.0F},
        {{.scale = 0.3}, 0.3F},
        {{.alpha = Alpha::full}, 8.0F}}) {
    ModelReplacement replacement(settings);
    std::vector<float> values = {0.1F, -2.5F, 0.0F, 1e-7F, 3e30F, 0.7F, 1.0F / 3};
    const std::vector<float> before = values;
    UpdateRow update = {world.executor.context(), values.data(), std::ssize(values)};
    // full: 4 participants at a server learning rate of 0.5 give 8.
    replacement.edit_update({.client = 0, .round = 1, .participants = 4, .server_lr = 0.5F},
                            update);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], before[i] * factor);
  }
}

/// The model that a client alone would arrive at in this round.
std::vector<float> model_of(SmallWorld& world, const std::vector<Client>& clients, std::size_t k,
                            const FederationSettings& settings) {
  std::vector<Client> others_silent = clients;
  std::vector<float> update;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (i != k) continue;
    add_attack(others_silent[i], std::make_shared<EditsUpdate>([&](UpdateRow& row) {
                 update.assign(row.values, row.values + row.size);
               }));
  }
  after_round(world, others_silent, settings);
  std::vector<float> model = world.model().row.download();
  for (std::size_t i = 0; i < model.size(); ++i) model[i] += update[i];
  return model;
}

/// Bagdasaryan et al. 2020, equation 3: with α = n / η and others whose updates cancel, the global
/// model becomes the attacker's.
TEST(ModelReplacement, InFullReplacesTheModelWhenTheOthersSendNoChange) {
  SmallWorld world;
  for (const float server_lr : {1.0F, 0.5F}) {
    FederationSettings settings = small_settings();
    settings.server_lr = server_lr;
    std::vector<Client> clients = world.clients({24, 24, 24, 24, 24});
    for (const std::size_t k : {0, 1, 3, 4}) clients[k].attack = silence();
    const std::vector<float> wanted = model_of(world, clients, 2, settings);
    clients[2].attack = std::make_shared<ModelReplacement>(
        ModelReplacementSettings{.alpha = ModelReplacementSettings::Alpha::full});
    const std::vector<float> result = after_round(world, clients, settings);
    const std::vector<float> start = world.model().row.download();
    double moved = 0;
    for (std::size_t i = 0; i < result.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(result[i]), static_cast<double>(wanted[i]), 1e-6);
      moved = std::max(moved, static_cast<double>(std::abs(wanted[i] - start[i])));
    }
    EXPECT_GT(moved, 1e-3);
  }
}

/// How far a round has moved each number of the model.
std::vector<float> steps(const SmallWorld& world, const std::vector<float>& result) {
  const std::vector<float> start = world.model().row.download();
  std::vector<float> moved;
  for (const ColumnRange& range : world.network.trained_tensors()) {
    for (std::int64_t i = range.offset; i < range.offset + range.size; ++i) {
      moved.push_back(result[i] - start[i]);
    }
  }
  return moved;
}

/// Four clients whose update is 1 everywhere before it is amplified.
std::vector<Client> clients_that_send_ones(const SmallWorld& world,
                                           const ModelReplacementSettings& replacement) {
  std::vector<Client> clients = world.clients({16, 16, 16, 16});
  for (Client& client : clients) {
    client.attack = std::make_shared<EditsUpdate>([](UpdateRow& update) {
      for (const ColumnRange& range : update.columns()) {
        std::fill_n(update.values + range.offset, range.size, 1.0F);
      }
    });
    add_attack(client, std::make_shared<ModelReplacement>(replacement));
  }
  return clients;
}

TEST(ModelReplacement, CountsTheParticipantsOfTheRoundNotThePopulation) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.clients_per_round = 2;
  const std::vector<Client> clients =
      clients_that_send_ones(world, {.alpha = ModelReplacementSettings::Alpha::full});
  // Both participants send 1 · 2; their mean is 2.
  for (const float step : steps(world, after_round(world, clients, settings))) {
    ASSERT_NEAR(step, 2, 1e-6);
  }
}

TEST(ModelReplacement, IsSharedByTheAttackersOfTheRoundNotOfThePopulation) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.clients_per_round = 2;
  std::vector<Client> clients =
      clients_that_send_ones(world, {.alpha = ModelReplacementSettings::Alpha::shared, .scale = 6});
  // Both participants send 1 · 6 / 2; one who is drawn beside an honest silent client sends 6.
  for (const float step : steps(world, after_round(world, clients, settings))) {
    ASSERT_NEAR(step, 3, 1e-6);
  }
  const std::vector<int> drawn = world.federation(clients, settings).participants_of(1);
  clients[drawn[0]].attack = nullptr;
  const std::vector<float> alone = steps(world, after_round(world, clients, settings));
  const double moved = std::accumulate(alone.begin(), alone.end(), 0.0);
  EXPECT_NEAR(moved / static_cast<double>(alone.size()), 3, 0.1);
}

/// A campaign in that world, in which the trigger is stamped on the victim's images.
std::shared_ptr<Campaign> campaign(const SmallWorld& world, const AttackSettings& settings,
                                   int clients) {
  const Backdoor backdoor = {.goal = {.trigger = world.trigger, .victim = 9, .target = 1},
                             .stamps = {world.trigger}};
  return std::make_shared<Campaign>(settings, AttackedPopulation{.clients = clients}, backdoor,
                                    AttackEnvironment{.network = world.network});
}

TEST(Corrupt, GivesTheAttackersAndNobodyElseTheirAttackInItsWindow) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({10, 10, 10});
  AttackSettings settings;
  settings.from_round = 3;
  settings.to_round = 5;
  settings.clients = std::vector<int>{1};
  corrupt(clients, campaign(world, settings, 3));
  EXPECT_EQ(clients[0].attack, nullptr);
  EXPECT_EQ(clients[2].attack, nullptr);
  EXPECT_FALSE(clients[1].attacks_in(2));
  EXPECT_TRUE(clients[1].attacks_in(3));
  EXPECT_TRUE(clients[1].attacks_in(5));
  EXPECT_FALSE(clients[1].attacks_in(6));
  // Its own data stays truthful: poison is an edit of a round's list.
  for (const Sample& sample : clients[1].samples) EXPECT_EQ(sample.trigger, -1);
}

TEST(Corrupt, ChangesARoundInsideTheWindowAndNoBitOutside) {
  SmallWorld world;
  const std::vector<Client> honest = world.clients({40, 40, 40});
  std::vector<Client> attacked = honest;
  AttackSettings settings;
  settings.from_round = 2;
  settings.to_round = 2;
  settings.of<ModelReplacement>().scale = 3;
  settings.clients = std::vector<int>{0};
  corrupt(attacked, campaign(world, settings, 3));
  for (const int round : {1, 2, 3}) {
    const bool same = after_round(world, honest, small_settings(), round) ==
                      after_round(world, attacked, small_settings(), round);
    EXPECT_EQ(same, round != 2) << "round " << round;
  }
}

TEST(Campaign, LetsAnAttackFromOutsideActLastInItsRounds) {
  SmallWorld world;
  AttackSettings settings;
  settings.clients = std::vector<int>{1};
  settings.from_round = 2;
  settings.of<ModelReplacement>().scale = 4;
  const auto silent =
      std::make_shared<Campaign>(settings, AttackedPopulation{.clients = 3}, std::nullopt,
                                 AttackEnvironment{.network = world.network}, silence());
  std::vector<Client> clients = world.clients({10, 10, 10});
  corrupt(clients, silent);
  EXPECT_FALSE(clients[1].attacks_in(1));
  ASSERT_TRUE(clients[1].attacks_in(2));
  std::vector<float> values = {1, -2};
  UpdateRow update = {world.executor.context(), values.data(), 2};
  clients[1].attack->edit_update({.client = 1, .round = 2}, update);
  EXPECT_THAT(values, ElementsAre(0, 0));
}

TEST(Campaign, LetsAnAttackFromOutsideRestInRoundsOfItsOwn) {
  /// Sends nothing in rounds that are even.
  class Sometimes : public EditsUpdate {
   public:
    Sometimes()
        : EditsUpdate([](UpdateRow& update) { std::fill_n(update.values, update.size, 0.0F); }) {}
    bool acts(int /*client*/, int round) const override { return round % 2 == 0; }
  };
  SmallWorld world;
  AttackSettings settings;
  settings.clients = std::vector<int>{1};
  Campaign campaign(settings, {.clients = 3}, std::nullopt, {.network = world.network},
                    std::make_shared<Sometimes>());
  for (const int round : {1, 2, 3}) {
    std::vector<float> values = {1, -2};
    UpdateRow update = {world.executor.context(), values.data(), 2};
    campaign.edit_update({.client = 1, .round = round}, update);
    EXPECT_EQ(values.front(), round == 2 ? 0 : 1);
  }
}

TEST(Campaign, TellsItsMethodsTheirPlaceAmongTheAttackers) {
  SmallWorld world;
  AttackSettings settings;
  settings.clients = std::vector<int>{4, 1};
  const Backdoor backdoor = {.goal = {.victim = 9, .target = 1}, .stamps = {5, 6, 7}};
  Campaign two(settings, {.clients = 6}, backdoor, {.network = world.network});
  for (const auto& [client, trigger] : {std::pair{1, 5}, {4, 6}}) {
    std::vector<Sample> samples = {{.image = 3, .label = 9}};
    two.edit_samples({.client = client}, samples);
    ASSERT_EQ(samples.size(), 2U);
    EXPECT_EQ(samples[1].trigger, trigger);
  }
}

TEST(ChooseAttackers, TakesThoseListedOrDrawsFromTheSeed) {
  AttackSettings settings;
  settings.clients = std::vector<int>{7, 2};
  EXPECT_THAT(choose_attackers(settings, 10, 1), ElementsAre(2, 7));
  settings.clients = 3;
  std::set<std::vector<int>> drawn;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<int> ids = choose_attackers(settings, 10, seed);
    EXPECT_EQ(ids.size(), 3U);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    EXPECT_EQ(std::set<int>(ids.begin(), ids.end()).size(), 3U);
    EXPECT_EQ(ids, choose_attackers(settings, 10, seed));
    drawn.insert(ids);
  }
  EXPECT_GT(drawn.size(), 10U);
}

TEST(ChooseAttackers, RefusesClientsThatAreNotThere) {
  AttackSettings settings;
  const auto message = [&] { return input_error([&] { choose_attackers(settings, 10, 1); }); };
  settings.clients = 11;
  EXPECT_THAT(message(), AllOf(HasSubstr("attack.clients is 11"), HasSubstr("10 clients")));
  settings.clients = -1;
  EXPECT_THAT(message(), HasSubstr("attack.clients is -1"));
  settings.clients = std::vector<int>{3, 10};
  EXPECT_THAT(message(), AllOf(HasSubstr("attack.clients"), HasSubstr("0 to 9")));
  settings.clients = std::vector<int>{3, 3};
  EXPECT_THAT(message(), AllOf(HasSubstr("attack.clients"), HasSubstr("twice")));
}

}  // namespace
}  // namespace redoubt::test
