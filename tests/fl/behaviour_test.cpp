// What a client may do differently in a round, and what it answers when the server asks.
#include "fl/federation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fl/attack/attack.h"
#include "fl/server.h"
#include "tests/fl/small_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using testing::ElementsAre;

/// Counts its calls and what it was told.
class Watcher : public Attack {
 public:
  bool acts(int /*client*/, int round) const override { return round == 2 || round == 3; }
  void edit_samples(const ClientRound& round, std::vector<Sample>& /*samples*/) override {
    seen.push_back({round.round, "samples"});
  }
  void edit_training(const ClientRound& round, LocalTraining& /*training*/) override {
    seen.push_back({round.round, "training"});
  }
  void edit_update(const ClientRound& round, UpdateRow& /*update*/) override {
    EXPECT_EQ(round.client, 1);
    EXPECT_EQ(round.participants, 3);
    EXPECT_EQ(round.server_lr, 0.5F);
    seen.push_back({round.round, "update"});
  }
  void edit_dormancy(const ClientRound& round, const DormancyQuestion& /*question*/,
                     DormancyReport& /*report*/) override {
    seen.push_back({round.round, "dormancy"});
  }
  void edit_accuracies(const ClientRound& round, std::span<double> /*accuracies*/) override {
    seen.push_back({round.round, "accuracies"});
  }

  std::vector<std::pair<int, std::string>> seen;
};

TEST(Attack, ActsInItsRoundsOnly) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.server_lr = 0.5F;
  std::vector<Client> clients = world.clients({6, 6, 6});
  const auto watcher = std::make_shared<Watcher>();
  clients[1].attack = watcher;
  Federation federation = world.federation(clients, settings);
  GlobalModel model = world.model();
  const TestImages images = {.validation = {}, .clean = clients[0].samples, .stamped = {}};
  Server server(federation, model, images);
  const ChannelSpan& layer = world.network.layout().conv_channels("last");
  for (int round = 1; round <= 4; ++round) {
    EXPECT_EQ(server.next_round(), round);
    federation.ask_dormancy(model, layer, 0.5, round);
    server.ask_clients(model.variant());
    server.train_round(SmallWorld::kRate);
  }
  std::vector<std::pair<int, std::string>> expected;
  for (const int round : {2, 3}) {
    for (const char* hook : {"dormancy", "accuracies", "training", "samples", "update"}) {
      expected.emplace_back(round, hook);
    }
  }
  EXPECT_EQ(watcher->seen, expected);
}

/// Its own training settings.
class TrainsLonger : public Attack {
 public:
  void edit_training(const ClientRound& /*round*/, LocalTraining& training) override {
    training.epochs = 3;
    training.batch = 5;
  }
};

TEST(Attack, MayTrainLongerThanTheOthers) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({12, 12});
  RoundReport honest;
  const std::vector<float> before = after_round(world, clients, small_settings(), 1, &honest);
  clients[1].attack = std::make_shared<TrainsLonger>();
  RoundReport report;
  EXPECT_NE(after_round(world, clients, small_settings(), 1, &report), before);
  EXPECT_EQ(honest.images, 24);
  EXPECT_EQ(report.images, 48);
}

TEST(AscendingRanks, KeepTheOrderOfEquals) {
  EXPECT_THAT(ascending_ranks(std::vector<double>{3, 0, 2, 0, 9}), ElementsAre(3, 0, 2, 1, 4));
  EXPECT_TRUE(ascending_ranks({}).empty());
}

TEST(Dormancy, IsWhatAClientMeasuresOnItsOwnDataUnderTheModelsMasks) {
  SmallWorld world;
  const std::vector<Client> clients = world.clients({30, 50, 7});
  Federation federation = world.federation(clients, small_settings());
  GlobalModel model = world.model();
  const ChannelSpan& layer = world.network.layout().conv_channels("last");
  std::vector<float> mask = model.mask.download();
  mask[layer.offset + 5] = 0;
  model.mask.upload(mask);

  // Seven of eight channels are heard; 0.4 · 7 = 2.8, so two votes, and none for the silent one.
  const auto reports = federation.ask_dormancy(model, layer, 0.4, 1);
  ASSERT_EQ(reports.size(), 3U);
  for (std::size_t k = 0; k < 3; ++k) {
    const std::vector<std::span<const Sample>> own = {clients[k].samples};
    const auto sums = world.executor.record_activations(model.variant(), own).front();
    EXPECT_EQ(sums[layer.offset + 5], 0);
    const auto sum = [&](int c) { return c == 5 ? 1e300 : sums[layer.offset + c]; };
    int votes = 0;
    for (int c = 0; c < layer.channels; ++c) {
      int below = 0;
      for (int other = 0; other < layer.channels; ++other) {
        if (sum(other) < sum(c) || (sum(other) == sum(c) && other < c)) ++below;
      }
      EXPECT_EQ(reports[k].ranks[c], below);
      EXPECT_EQ(reports[k].votes[c], below < 2 ? 1 : 0);
      votes += reports[k].votes[c];
    }
    EXPECT_EQ(votes, 2);
  }
}

TEST(ReportedAccuracies, AreTheMeanOverClientsOfTheirOwn) {
  SmallWorld world;
  const std::vector<Client> clients = world.clients({30, 50});
  Federation federation = world.federation(clients, small_settings());
  const GlobalModel model = world.model();
  double expected = 0;
  for (const Client& client : clients) {
    expected += world.executor.evaluate(model.variant(), client.samples).front().accuracy() / 2;
  }
  EXPECT_THAT(federation.ask_accuracies(model.variant(), 1),
              ElementsAre(testing::DoubleEq(expected)));
}

/// Answers that no honest client could give.
class Nonsense : public Attack {
 public:
  void edit_dormancy(const ClientRound& /*round*/, const DormancyQuestion& /*question*/,
                     DormancyReport& report) override {
    report.ranks.pop_back();
  }
  void edit_accuracies(const ClientRound& /*round*/, std::span<double> accuracies) override {
    accuracies[0] = NAN;
  }
};

TEST(Attack, ThatAnswersInTheWrongShapeIsABrokenContract) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({10, 10});
  clients[1].attack = std::make_shared<Nonsense>();
  Federation federation = world.federation(clients, small_settings());
  const GlobalModel model = world.model();
  const ChannelSpan& layer = world.network.layout().conv_channels("last");
  EXPECT_THROW(federation.ask_dormancy(model, layer, 0.5, 1), std::logic_error);
  EXPECT_THROW(federation.ask_accuracies(model.variant(), 1), std::logic_error);
}

/// Remembers how far the model has moved, and sends ever shorter updates.
class Remembers : public Attack {
 public:
  void edit_update(const ClientRound& round, UpdateRow& update) override {
    EXPECT_EQ(round.last_step == nullptr, round.round == 1);
    const auto factor = static_cast<float>(1 / (1 + moved));
    for (std::int64_t i = 0; i < update.size; ++i) update.values[i] *= factor;
  }
  void after_round(const GlobalStep& step) override {
    rounds.push_back(step.round);
    for (std::int64_t i = 0; i < step.size; ++i) {
      moved += std::abs(static_cast<double>(step.step[i]));
    }
    // The model is there, too.
    last_model.assign(step.global, step.global + step.size);
  }
  std::vector<NamedTensor> state() const override {
    return {{.name = "moved", .shape = {1}, .values = {static_cast<float>(moved)}}};
  }
  void restore(const std::vector<NamedTensor>& state) override {
    for (const NamedTensor& tensor : state) {
      if (tensor.name == "moved") moved = static_cast<double>(tensor.values.front());
    }
  }

  double moved = 0;
  std::vector<int> rounds;
  std::vector<float> last_model;
};

TEST(Attack, IsToldOfEachRoundHowItMovedTheModelWhoeverTookPart) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.clients_per_round = 1;
  std::vector<Client> clients = world.clients({12, 12, 12});
  const auto attack = std::make_shared<Remembers>();
  clients[1].attack = attack;
  Federation federation = world.federation(clients, settings);
  GlobalModel model = world.model();
  std::vector<float> before = model.row.download();
  double moved = 0;
  for (int round = 1; round <= 3; ++round) {
    federation.run_round(model, round, SmallWorld::kRate);
    const std::vector<float> after = model.row.download();
    for (std::size_t i = 0; i < after.size(); ++i) {
      moved += std::abs(static_cast<double>(after[i] - before[i]));
    }
    before = after;
  }
  EXPECT_THAT(attack->rounds, ElementsAre(1, 2, 3));
  EXPECT_EQ(attack->last_model, before);
  EXPECT_DOUBLE_EQ(attack->moved, moved);
}

TEST(Attack, GoesOnFromWhatItRemembersToTheSameBits) {
  SmallWorld world;
  const auto population = [&] {
    std::vector<Client> clients = world.clients({12, 12, 12});
    const auto attack = std::make_shared<Remembers>();
    // Two attackers share one attack.
    for (const std::size_t k : {0, 2}) clients[k].attack = attack;
    return clients;
  };
  Federation whole = world.federation(population(), small_settings());
  GlobalModel model = world.model();
  whole.run_round(model, 1, SmallWorld::kRate);
  const std::vector<float> stopped_at = model.row.download();
  const std::vector<NamedTensor> state = whole.state();
  whole.run_round(model, 2, SmallWorld::kRate);

  const auto second_round = [&](const std::vector<NamedTensor>& from) {
    Federation resumed = world.federation(population(), small_settings());
    resumed.restore(from);
    GlobalModel other = world.model();
    other.row.upload(stopped_at);
    resumed.run_round(other, 2, SmallWorld::kRate);
    return other.row.download();
  };
  EXPECT_EQ(second_round(state), model.row.download());
  std::vector<NamedTensor> forgotten = state;
  std::erase_if(forgotten, [](const NamedTensor& t) { return t.name.ends_with("moved"); });
  EXPECT_NE(second_round(forgotten), model.row.download());
}

}  // namespace
}  // namespace redoubt::test
