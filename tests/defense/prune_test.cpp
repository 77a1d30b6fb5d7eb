// Federated pruning: which channels go, when it stops, and what is left of them.
#include "defense/prune.h"

#include <algorithm>
#include <cmath>

#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Runs the stage and returns its record.
Record prune(TrainedWorld& trained, const PruneSettings& settings) {
  return *Prune(settings).run(trained.server, {});
}

std::vector<std::int64_t> as_numbers(const std::vector<int>& order) {
  return {order.begin(), order.end()};
}

/// The masks of the levels 0, 1, ... of an order, made one by one.
std::vector<std::vector<float>> level_masks(const TrainedWorld& trained,
                                            const std::vector<std::int64_t>& order) {
  std::vector<std::vector<float>> masks = {trained.model.mask.download()};
  for (std::size_t level = 1; level < order.size(); ++level) {
    masks.push_back(masks.back());
    masks.back()[trained.layer().offset + order[level - 1]] = 0;
  }
  return masks;
}

TEST(Prune, TakesExactlyTheGivenNumberInTheVotedOrder) {
  for (const auto vote : {PruneSettings::Vote::ranking, PruneSettings::Vote::majority}) {
    TrainedWorld trained;
    const auto reports = trained.federation.ask_dormancy(trained.model, trained.layer(), 0.25,
                                                         trained.server.next_round());
    const std::vector<int> order = vote == PruneSettings::Vote::ranking
                                       ? ranking_vote(reports)
                                       : majority_vote(reports, PruneSettings::Ties::index);
    const Record record = prune(trained, {.vote = vote,
                                          .rate = 0.25,
                                          .ties = PruneSettings::Ties::index,
                                          .stop = {.accuracy_drop = 0},
                                          .channels = 5});
    EXPECT_EQ(record.stage, "prune");
    EXPECT_EQ(value_of<std::int64_t>(record, "pruned_channels"), 5);
    EXPECT_EQ(record.note, "5 of 8 channels of conv2 pruned");
    EXPECT_EQ(value_of<std::string>(record, "level_axis"), "channels");
    EXPECT_EQ(value_of<std::vector<double>>(record, "levels"),
              (std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(value_of<std::string>(record, "layer"), "conv2");
    EXPECT_EQ(value_of<std::vector<std::int64_t>>(record, "order"), as_numbers(order));
    EXPECT_EQ(record.find("level_judged_accuracy"), nullptr) << "no judge was asked";
    for (int place = 0; place < 8; ++place) {
      EXPECT_EQ(trained.mask_of(order[place]), place < 5 ? 0 : 1);
    }
  }
}

TEST(Prune, LeavesAModelThatIsSilentThereInAnyProgram) {
  TrainedWorld trained;
  const std::vector<float> before = trained.model.row.download();
  prune(trained, {.channels = 3});
  const std::vector<float> row = trained.model.row.download();
  const ParameterSpan& bias = *trained.world.network.layout().find("conv2.bias");
  std::vector<float> expected = before;
  for (int c = 0; c < 8; ++c) {
    if (trained.mask_of(c) != 0) continue;
    std::fill_n(expected.begin() + trained.weight().offset + c * trained.per_channel(),
                trained.per_channel(), 0.0F);
    expected[bias.offset + c] = 0;
  }
  EXPECT_NE(row, before);
  EXPECT_EQ(row, expected);
  const std::vector<float> all_heard(trained.model.mask.download().size(), 1);
  const Evaluation masked = trained.validate(row, trained.model.mask.download());
  const Evaluation unmasked = trained.validate(row, all_heard);
  EXPECT_EQ(masked.accuracy, unmasked.accuracy);
  EXPECT_EQ(masked.loss, unmasked.loss);
}

TEST(Prune, StopsBeforeTheLevelThatLosesTooMuchByTheServersImages) {
  for (const double drop : {0.0, 0.03, 0.1, 0.25, 1.0}) {
    TrainedWorld trained;
    const std::vector<float> row = trained.model.row.download();
    const std::vector<float> mask = trained.model.mask.download();
    const TrainedWorld fresh;
    const Record record = prune(trained, {.stop = {.accuracy_drop = drop}});
    const auto order = value_of<std::vector<std::int64_t>>(record, "order");
    ASSERT_EQ(order.size(), 8U);
    // Each level once more, alone.
    const auto masks = level_masks(fresh, order);
    std::vector<double> judged;
    std::size_t expected = 0;
    for (const auto& level : masks) judged.push_back(trained.validate(row, level).accuracy);
    while (expected + 1 < judged.size() &&
           std::round(100 * (judged[0] - judged[expected + 1])) <= std::round(100 * drop)) {
      ++expected;
    }
    EXPECT_EQ(value_of<std::int64_t>(record, "pruned_channels"),
              static_cast<std::int64_t>(expected));
    EXPECT_EQ(value_of<std::vector<double>>(record, "level_judged_accuracy"), judged);
    EXPECT_EQ(trained.model.mask.download(), masks[expected]);
    // What is logged is the chosen level on the test images.
    const auto curve = value_of<std::vector<double>>(record, "level_accuracy");
    ASSERT_EQ(curve.size(), 8U);
    EXPECT_EQ(value_of<double>(record, "accuracy"), curve[expected]);
    EXPECT_EQ(value_of<std::vector<double>>(record, "level_attack_success_rate").size(), 8U);
    if (drop == 1.0) {
      EXPECT_EQ(expected, 7U) << "the last channel is never taken";
    }
  }
}

TEST(Prune, IsJudgedByTheClientsIfTheServerHoldsNoImages) {
  TrainedWorld trained(false);
  const TrainedWorld fresh(false);
  const std::vector<float> row = trained.model.row.download();
  const Record record = prune(trained, {.stop = {.accuracy_drop = 0.05}});
  const auto order = value_of<std::vector<std::int64_t>>(record, "order");
  const auto judged = value_of<std::vector<double>>(record, "level_judged_accuracy");
  const auto masks = level_masks(fresh, order);
  ASSERT_EQ(judged.size(), masks.size());
  for (std::size_t level = 0; level < masks.size(); ++level) {
    EXPECT_DOUBLE_EQ(judged[level], trained.ask(row, masks[level]));
  }
}

TEST(Prune, OrdersOnlyTheChannelsThatAreStillHeard) {
  TrainedWorld trained;
  prune(trained, {.channels = 3});
  const std::vector<float> first = trained.model.mask.download();
  const Record record = prune(trained, {.channels = 2});
  EXPECT_EQ(value_of<std::vector<std::int64_t>>(record, "order").size(), 5U);
  int silent = 0;
  for (int c = 0; c < 8; ++c) {
    const float before = first[trained.layer().offset + c];
    EXPECT_LE(trained.mask_of(c), before) << c;
    silent += trained.mask_of(c) == 0 ? 1 : 0;
  }
  EXPECT_EQ(silent, 5);
  // All that are left but one.
  prune(trained, {.channels = 2});
  silent = 0;
  for (int c = 0; c < 8; ++c) silent += trained.mask_of(c) == 0 ? 1 : 0;
  EXPECT_EQ(silent, 7);
}

TEST(Prune, MayWorkOnAnEarlierLayer) {
  TrainedWorld trained;
  const ChannelSpan& conv1 = trained.world.network.layout().conv_channels("conv1");
  const Record record = prune(trained, {.layer = "conv1", .channels = 2});
  EXPECT_EQ(value_of<std::string>(record, "layer"), "conv1");
  const std::vector<float> mask = trained.model.mask.download();
  EXPECT_EQ(std::count(mask.begin() + conv1.offset, mask.begin() + conv1.offset + 6, 0.0F), 2);
  EXPECT_EQ(std::count(mask.begin(), mask.end(), 0.0F), 2);
}

TEST(Prune, SaysWhatItCannotPrune) {
  TrainedWorld trained;
  const auto error = [&](const PruneSettings& settings) {
    return input_error([&] { prune(trained, settings); });
  };
  EXPECT_THAT(error({.channels = 8}), AllOf(HasSubstr("prune.channels is 8"), HasSubstr("conv2")));
  prune(trained, {.channels = 5});
  EXPECT_THAT(error({.channels = 3}), HasSubstr("conv2 3 channels are not pruned yet"));
  EXPECT_THAT(error({.layer = "conv7"}), AllOf(HasSubstr("conv7"), HasSubstr("conv1, conv2")));
}

/// The attacker's answer to the vote: its pick is the last to go.
class ProtectsChannel : public Attack {
 public:
  explicit ProtectsChannel(int channel) : channel_(channel) {}
  void edit_dormancy(const ClientRound& /*round*/, const DormancyQuestion& /*question*/,
                     DormancyReport& report) override {
    std::fill(report.ranks.begin(), report.ranks.end(), 0);
    report.ranks[channel_] = 1000;
  }

 private:
  int channel_;
};

TEST(Prune, HearsWhatMaliciousClientsReport) {
  TrainedWorld honest;
  const auto order = value_of<std::vector<std::int64_t>>(prune(honest, {.channels = 1}), "order");
  const int favourite = static_cast<int>(order.front());
  TrainedWorld lied_to(true, [&](std::vector<Client>& clients) {
    clients[0].attack = std::make_shared<ProtectsChannel>(favourite);
  });
  const Record record = prune(lied_to, {.channels = 1});
  EXPECT_EQ(value_of<std::vector<std::int64_t>>(record, "order").back(), favourite);
}

/// A small residual network with batch norm that has trained a little.
struct NormalizedWorld {
  static std::vector<LayerSpec> layers() {
    const Conv::Settings conv = {.channels = 6, .kernel = 3, .padding = 1, .bias = 0};
    const BatchNorm::Settings norm;
    const Relu::Settings relu;
    const Residual::Settings block = {.body = {conv, norm, relu, conv, norm}, .shortcut = {}};
    return {
        conv, norm, relu, block, relu, GlobalAveragePool::Settings(), Dense::Settings{.units = 10}};
  }

  NormalizedWorld()
      : network(SmallWorld::kShape, 10, layers()),
        executor(network, world.store.source(), Device(), 1, 16),
        federation(executor, world.clients({60, 50, 70}), std::make_unique<FedAvg>(), settings(),
                   5),
        model(network, fresh_row(network), Device()) {
    for (int i = 0; i < 100; ++i) {
      images.clean.push_back(
          {.image = world.store.test_image(i), .label = world.dataset.test.labels[i]});
    }
    for (int round = 0; round < 6; ++round) server.train_round(SmallWorld::kRate);
  }

  static FederationSettings settings() {
    FederationSettings all = small_settings();
    all.local.epochs = 6;
    return all;
  }
  static std::vector<float> fresh_row(const Network& network) {
    std::vector<float> row(static_cast<std::size_t>(network.layout().row_size()));
    initialize(network.layout(), Initialization::he, 11, row);
    return row;
  }

  SmallWorld world;
  Network network;
  Executor executor;
  Federation federation;
  GlobalModel model;
  TestImages images;
  Server server{federation, model, images};
};

TEST(Prune, SilencesAChannelThatABatchNormFollowsInAnyProgram) {
  NormalizedWorld trained;
  const ChannelSpan& layer = trained.network.layout().conv_channels("last");
  EXPECT_EQ(layer.name, "conv2") << "the output of conv3 is added to another";
  EXPECT_EQ(layer.norm, "bn2");
  const Record record =
      *Prune({.stop = {.accuracy_drop = 0}, .channels = 3}).run(trained.server, {});
  const auto order = value_of<std::vector<std::int64_t>>(record, "order");

  // Silent under the masks, and as silent under masks of ones.
  const std::vector<float> heard(trained.model.mask.download().size(), 1.0F);
  const Buffer<float> ones{Device(), std::span<const float>(heard)};
  const std::span<const kernels::Sample> samples = trained.images.clean;
  for (const float* mask : {std::as_const(trained.model.mask).data(), ones.data()}) {
    const auto activity =
        trained.executor
            .record_activations({.parameters = {trained.model.row.data(), 0}, .masks = {mask, 0}},
                                {&samples, 1})
            .front();
    for (std::size_t place = 0; place < order.size(); ++place) {
      const double sum = activity[layer.offset + order[place]];
      EXPECT_EQ(sum == 0, place < 3) << "channel " << order[place];
    }
  }
  const auto masked = trained.executor.evaluate(trained.model.variant(), samples).front();
  const auto plain =
      trained.executor
          .evaluate({.parameters = {trained.model.row.data(), 0}, .masks = {ones.data(), 0}},
                    samples)
          .front();
  EXPECT_EQ(masked, plain);
  EXPECT_EQ(value_of<double>(record, "accuracy"), masked.accuracy());
}

TEST(BatchNorm, InAFederationAveragesItsRunningStatisticsAndNeverStepsThem) {
  NormalizedWorld trained;
  const ParameterSpan& variance = *trained.network.layout().find("bn1.running_var");
  const std::vector<float> row = trained.model.row.download();
  for (std::int64_t i = 0; i < variance.size; ++i) {
    const float value = row[variance.offset + i];
    EXPECT_GT(value, 0);
    EXPECT_NE(value, 1);
  }
  // Evaluation goes by them.
  EXPECT_GT(trained.server.test(trained.model.variant()).front().clean.accuracy, 0.2);
}

}  // namespace
}  // namespace redoubt::test
