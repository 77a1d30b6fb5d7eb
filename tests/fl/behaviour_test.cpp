// What a client may do differently in a round, and what it answers when the server asks.
#include "fl/federation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fl/server.h"
#include "tests/fl/small_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using testing::ElementsAre;

/// Counts its calls and what it was told.
class Watcher : public Behaviour {
 public:
  explicit Watcher(RoundWindow window) : Behaviour(window) {}
  void edit_samples(const ClientRound& round, std::vector<Sample>& /*samples*/) const override {
    seen.push_back({round.round, "samples"});
  }
  void edit_training(const ClientRound& round, LocalTraining& /*training*/) const override {
    seen.push_back({round.round, "training"});
  }
  void edit_update(const ClientRound& round, UpdateRow& /*update*/) const override {
    EXPECT_EQ(round.client, 1);
    EXPECT_EQ(round.participants, 3);
    EXPECT_EQ(round.server_lr, 0.5F);
    seen.push_back({round.round, "update"});
  }
  void edit_dormancy(const ClientRound& round, const DormancyQuestion& /*question*/,
                     DormancyReport& /*report*/) const override {
    seen.push_back({round.round, "dormancy"});
  }
  void edit_accuracies(const ClientRound& round, std::span<double> /*accuracies*/) const override {
    seen.push_back({round.round, "accuracies"});
  }

  mutable std::vector<std::pair<int, std::string>> seen;
};

TEST(Behaviour, ActsInItsWindowOnlyBothEndsIncluded) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.server_lr = 0.5F;
  std::vector<Client> clients = world.clients({6, 6, 6});
  const auto watcher = std::make_shared<Watcher>(RoundWindow{.from = 2, .to = 3});
  clients[1].behaviours = {watcher};
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
class TrainsLonger : public Behaviour {
 public:
  TrainsLonger() : Behaviour(RoundWindow()) {}
  void edit_training(const ClientRound& /*round*/, LocalTraining& training) const override {
    training.epochs = 3;
    training.batch = 5;
  }
};

TEST(Behaviour, MayTrainLongerThanTheOthers) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({12, 12});
  RoundReport honest;
  const std::vector<float> before = after_round(world, clients, small_settings(), 1, &honest);
  clients[1].behaviours = {std::make_shared<TrainsLonger>()};
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
  mask[static_cast<std::size_t>(layer.offset + 5)] = 0;
  model.mask.upload(mask);

  // Seven of eight channels are heard; 0.4 · 7 = 2.8, so two votes, and none for the silent one.
  const auto reports = federation.ask_dormancy(model, layer, 0.4, 1);
  ASSERT_EQ(reports.size(), 3U);
  for (std::size_t k = 0; k < 3; ++k) {
    const std::vector<std::span<const Sample>> own = {clients[k].samples};
    const auto sums = world.executor.record_activations(model.variant(), own).front();
    EXPECT_EQ(sums[static_cast<std::size_t>(layer.offset + 5)], 0);
    const auto sum = [&](int c) {
      return c == 5 ? 1e300 : sums[static_cast<std::size_t>(layer.offset + c)];
    };
    int votes = 0;
    for (int c = 0; c < layer.channels; ++c) {
      int below = 0;
      for (int other = 0; other < layer.channels; ++other) {
        if (sum(other) < sum(c) || (sum(other) == sum(c) && other < c)) ++below;
      }
      EXPECT_EQ(reports[k].ranks[static_cast<std::size_t>(c)], below);
      EXPECT_EQ(reports[k].votes[static_cast<std::size_t>(c)], below < 2 ? 1 : 0);
      votes += reports[k].votes[static_cast<std::size_t>(c)];
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
class Nonsense : public Behaviour {
 public:
  Nonsense() : Behaviour(RoundWindow()) {}
  void edit_dormancy(const ClientRound& /*round*/, const DormancyQuestion& /*question*/,
                     DormancyReport& report) const override {
    report.ranks.pop_back();
  }
  void edit_accuracies(const ClientRound& /*round*/, std::span<double> accuracies) const override {
    accuracies[0] = NAN;
  }
};

TEST(Behaviour, ThatAnswersInTheWrongShapeIsABrokenContract) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({10, 10});
  clients[1].behaviours = {std::make_shared<Nonsense>()};
  Federation federation = world.federation(clients, small_settings());
  const GlobalModel model = world.model();
  const ChannelSpan& layer = world.network.layout().conv_channels("last");
  EXPECT_THROW(federation.ask_dormancy(model, layer, 0.5, 1), std::logic_error);
  EXPECT_THROW(federation.ask_accuracies(model.variant(), 1), std::logic_error);
}

}  // namespace
}  // namespace redoubt::test
