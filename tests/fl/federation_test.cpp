// Rounds: FedAvg against a hand computation, who takes part, waves, bad updates.
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
using testing::HasSubstr;

/// Each client's model after training alone from the start, in file order: rows of doubles.
std::vector<std::vector<double>> trained_alone(SmallWorld& world,
                                               const std::vector<Client>& clients,
                                               const LocalTraining& local, int round) {
  std::vector<std::vector<double>> rows;
  for (const Client& client : clients) {
    Fleet fleet(world.network.layout(), 1, 1, Device());
    const std::vector<float> start = world.model().row.download();
    std::copy(start.begin(), start.end(), fleet.values()[0]);
    OptimizerSettings optimizer = local.optimizer;
    learning_rate_of(optimizer) = SmallWorld::kRate;
    const std::vector<TrainingTask> tasks = {
        {.samples = client.samples,
         .epochs = local.epochs,
         .batch = local.batch,
         .optimizer = optimizer,
         .key = {.seed = SmallWorld::kSeed,
                 .purpose = Purpose::dropout,
                 .client = static_cast<std::uint32_t>(client.id),
                 .round = static_cast<std::uint32_t>(round)}}};
    world.executor.train(fleet, tasks, {});
    rows.emplace_back(fleet.values()[0], fleet.values()[0] + fleet.pitch());
  }
  return rows;
}

/// McMahan et al. 2017: w + η · Σ n_k / n · (w_k - w).
TEST(FedAvg, IsTheMeanOfTheModelsWeightedBySampleCounts) {
  SmallWorld world;
  const std::vector<int> sizes = {5, 60, 33};
  const std::vector<Client> clients = world.clients(sizes);
  for (const float server_lr : {1.0F, 0.25F}) {
    FederationSettings settings = small_settings();
    settings.shuffle = false;
    settings.server_lr = server_lr;
    RoundReport report;
    const std::vector<float> result = after_round(world, clients, settings, 4, &report);
    EXPECT_EQ(report.participants, 3);
    EXPECT_EQ(report.rejected, 0);
    EXPECT_EQ(report.images, 98);
    EXPECT_EQ(report.training.count, 98);

    const auto rows = trained_alone(world, clients, settings.local, 4);
    const std::vector<float> start = world.model().row.download();
    double largest_move = 0;
    for (std::size_t i = 0; i < start.size(); ++i) {
      const auto before = static_cast<double>(start[i]);
      double step = 0;
      for (std::size_t k = 0; k < 3; ++k) step += sizes[k] / 98.0 * (rows[k][i] - before);
      const double expected = before + static_cast<double>(server_lr) * step;
      ASSERT_NEAR(static_cast<double>(result[i]), expected, 1e-6);
      largest_move = std::max(largest_move, std::abs(expected - before));
    }
    EXPECT_GT(largest_move, 1e-3);
  }
}

TEST(FedAvg, AveragesClientsThatAllAgreeToWhatTheyAgreeOn) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({10, 40});
  for (Client& client : clients) {
    client.attack = std::make_shared<EditsUpdate>(
        [](UpdateRow& update) { std::fill_n(update.values, update.size, 0.5F); });
  }
  const std::vector<float> start = world.model().row.download();
  const std::vector<float> result = after_round(world, clients, small_settings());
  for (std::size_t i = 0; i < start.size(); ++i) ASSERT_FLOAT_EQ(result[i], start[i] + 0.5F);
}

TEST(Round, TrainsAtTheLearningRateItIsGiven) {
  SmallWorld world;
  Federation federation = world.federation(world.clients({20, 20}), small_settings());
  GlobalModel model = world.model();
  federation.run_round(model, 1, 0);
  EXPECT_EQ(model.row.download(), world.model().row.download());
}

TEST(Round, ShufflesEachEpochOfEachClientAndRoundAnew) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  const std::vector<Client> clients = world.clients({64});
  const std::vector<float> first = after_round(world, clients, settings, 1);
  EXPECT_EQ(first, after_round(world, clients, settings, 1));
  EXPECT_NE(first, after_round(world, clients, settings, 2));
  settings.shuffle = false;
  EXPECT_NE(first, after_round(world, clients, settings, 1));
  // Two epochs are other work than one of twice the samples in the same order twice.
  settings.shuffle = true;
  settings.local.epochs = 2;
  RoundReport report;
  after_round(world, clients, settings, 1, &report);
  EXPECT_EQ(report.images, 128);
  EXPECT_EQ(report.training.count, 64) << "losses are those of the last epoch";
}

/// The order is part of every result: drawn from (seed, sample_order, client, round, epoch).
TEST(Round, DrawsAnOrderOfItsOwnForEveryEpoch) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.local.epochs = 3;
  const std::vector<Client> clients = world.clients({50});
  const std::vector<float> result = after_round(world, clients, settings, 6);

  Client visited = clients[0];
  visited.samples.clear();
  std::vector<std::vector<Sample>> orders;
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
    orders.push_back(clients[0].samples);
    RandomStream stream({.seed = SmallWorld::kSeed,
                         .purpose = Purpose::sample_order,
                         .client = 0,
                         .round = 6,
                         .step = epoch});
    stream.shuffle(std::span(orders.back()));
    visited.samples.insert(visited.samples.end(), orders.back().begin(), orders.back().end());
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
  const auto expected = trained_alone(world, {visited}, settings.local, 6).front();
  for (std::size_t i = 0; i < result.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(result[i]), expected[i], 1e-6);
  }
}

TEST(Round, GivesTheSameBitsInWavesOfAnySizeAndOnAnyNumberOfThreads) {
  const std::vector<int> sizes = {5, 40, 17, 16, 33, 1, 28};
  SmallWorld world(1);
  FederationSettings settings = small_settings();
  settings.local.epochs = 2;
  settings.local.optimizer = Adam::Settings();
  RoundReport whole_report;
  const std::vector<float> whole =
      after_round(world, world.clients(sizes), settings, 1, &whole_report);
  for (const int wave : {1, 2, 3, 6, 7, 50}) {
    settings.wave = wave;
    RoundReport report;
    EXPECT_EQ(after_round(world, world.clients(sizes), settings, 1, &report), whole) << wave;
    EXPECT_EQ(report.training, whole_report.training);
    EXPECT_EQ(report.participants, 7);
  }
  SmallWorld threaded(2);
  EXPECT_EQ(after_round(threaded, threaded.clients(sizes), settings), whole);
}

TEST(ClientSampling, DrawsDistinctClientsAnewEachRoundFromTheSeed) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.clients_per_round = 4;
  const Federation federation = world.federation(world.clients(std::vector<int>(12, 5)), settings);
  constexpr int kRounds = 600;
  std::vector<int> taken(12);
  int repeated = 0;
  std::vector<int> previous;
  for (int round = 1; round <= kRounds; ++round) {
    const std::vector<int> ids = federation.participants_of(round);
    ASSERT_EQ(ids.size(), 4U);
    ASSERT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    ASSERT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
    ASSERT_GE(ids.front(), 0);
    ASSERT_LT(ids.back(), 12);
    for (const int id : ids) ++taken[id];
    repeated += ids == previous ? 1 : 0;
    previous = ids;
    ASSERT_EQ(ids, federation.participants_of(round));
  }
  EXPECT_LT(repeated, 12) << "two rounds agree once in 495";
  // Each is drawn in a third of the rounds; a standard deviation is √(600 · 1/3 · 2/3) = 11.5.
  for (const int times : taken) EXPECT_NEAR(times, kRounds / 3, 55);
}

TEST(ClientSampling, TakesAllIfNotTold) {
  SmallWorld world;
  const Federation federation = world.federation(world.clients({5, 5, 5}), small_settings());
  EXPECT_THAT(federation.participants_of(1), ElementsAre(0, 1, 2));
}

TEST(ClientSampling, TrainsThoseDrawnAndNobodyElse) {
  SmallWorld world;
  FederationSettings settings = small_settings();
  settings.clients_per_round = 2;
  std::vector<int> sent(6);
  std::vector<Client> clients = world.clients({10, 11, 12, 13, 14, 15});
  for (Client& client : clients) {
    const auto id = static_cast<std::size_t>(client.id);
    client.attack = std::make_shared<EditsUpdate>([&sent, id](UpdateRow&) { ++sent[id]; });
  }
  Federation federation = world.federation(clients, settings);
  GlobalModel model = world.model();
  const RoundReport report = federation.run_round(model, 3, SmallWorld::kRate);
  int images = 0;
  std::vector<int> expected(6);
  for (const int id : federation.participants_of(3)) {
    expected[id] = 1;
    images += 10 + id;
  }
  EXPECT_EQ(sent, expected);
  EXPECT_EQ(report.participants, 2);
  EXPECT_EQ(report.images, images);
}

class BadUpdate : public testing::TestWithParam<float> {};

TEST_P(BadUpdate, IsRejectedCountedAndLeavesTheModelToTheOthers) {
  SmallWorld world;
  const std::vector<int> sizes = {20, 30, 10, 25};
  const float bad = GetParam();
  std::vector<Client> clients = world.clients(sizes);
  for (const std::size_t k : {std::size_t{0}, std::size_t{2}}) {
    clients[k].attack = std::make_shared<EditsUpdate>(
        [bad](UpdateRow& update) { update.values[update.size / 2] = bad; });
  }
  RoundReport report;
  const std::vector<float> result = after_round(world, clients, small_settings(), 1, &report);
  EXPECT_EQ(report.rejected, 2);
  EXPECT_EQ(report.participants, 4);
  for (const float value : result) ASSERT_TRUE(std::isfinite(value));

  // The other two alone weigh 30 and 25: what two clients that hold as much and send the same do.
  std::vector<Client> others = world.clients(sizes);
  for (const std::size_t k : {std::size_t{0}, std::size_t{2}}) others[k].attack = silence();
  const std::vector<float> diluted = after_round(world, others, small_settings());
  const std::vector<float> start = world.model().row.download();
  for (std::size_t i = 0; i < start.size(); ++i) {
    const double expected =
        static_cast<double>(start[i]) + static_cast<double>(diluted[i] - start[i]) * 85.0 / 55.0;
    ASSERT_NEAR(static_cast<double>(result[i]), expected, 1e-6);
  }
  // In waves, where a wave may have nobody left, the bits are the same.
  FederationSettings waves = small_settings();
  waves.wave = 1;
  EXPECT_EQ(after_round(world, clients, waves, 1, &report), result);
  EXPECT_EQ(report.rejected, 2);
}

INSTANTIATE_TEST_SUITE_P(Federation, BadUpdate,
                         testing::Values(std::numeric_limits<float>::quiet_NaN(),
                                         std::numeric_limits<float>::infinity(),
                                         -std::numeric_limits<float>::infinity()));

TEST(Round, OfBadUpdatesOnlyKeepsTheModel) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({20, 30});
  for (Client& client : clients) {
    client.attack =
        std::make_shared<EditsUpdate>([](UpdateRow& update) { update.values[0] = NAN; });
  }
  RoundReport report;
  EXPECT_EQ(after_round(world, clients, small_settings(), 1, &report),
            world.model().row.download());
  EXPECT_EQ(report.rejected, 2);
}

}  // namespace
}  // namespace redoubt::test
