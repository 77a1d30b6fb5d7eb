// The executor: a fleet trained at once equals its rows trained alone, threads never change a bit,
// many models evaluated at once equal each evaluated alone, recording equals plain loops.
#include "engine/executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/engine/network_cases.h"
#include "tests/engine/random_images.h"
#include "tests/engine/reference_network.h"

namespace redoubt::test {
namespace {

using kernels::LossTotals;
using kernels::Sample;
using reference::Values;

NetworkCase small_net() {
  return {"Small",
          {1, 9, 9},
          4,
          {conv(5, 3), relu(), max_pool(2), dropout(0.2), conv(6, 2), relu(), dense(8), relu(),
           dropout(0.4), dense(4)}};
}

std::vector<float> parameters(const Network& network, int seed) {
  return random_floats(seed, network.layout().row_size(), -0.4, 0.4);
}

/// Five clients of uneven sizes: no samples, fewer than a batch, ragged last batches, whole ones.
struct Clients {
  explicit Clients(const RandomImages& images) {
    int first = 0;
    for (const int size : {7, 0, 50, 33, 48}) {
      std::vector<Sample> all;
      for (int epoch = 0; epoch < kEpochs; ++epoch) {
        const auto one = images.samples(first + 5 * epoch, size, 4);
        all.insert(all.end(), one.begin(), one.end());
      }
      samples.push_back(all);
      first += size;
    }
  }
  static constexpr int kEpochs = 2;
  static constexpr int kIdle = 1;

  TrainingTask task(int client, int row) const {
    const OptimizerSettings sgd = Sgd::Settings{
        .learning_rate = 0.05F, .momentum = client == 2 ? 0.0F : 0.9F, .weight_decay = 0.01F};
    const OptimizerSettings adam = Adam::Settings{.learning_rate = 0.05F, .weight_decay = 0.01F};
    return {
        .row = row,
        .samples = samples[client],
        .epochs = kEpochs,
        .batch = client == 4 ? 12 : 16,
        .optimizer = client == 3 ? adam : sgd,
        .key = {
            .seed = 3, .purpose = Purpose::dropout, .client = static_cast<std::uint32_t>(client)}};
  }

  std::vector<std::vector<Sample>> samples;
};

/// A fleet whose rows all hold the same model; what training left in it.
struct Trained {
  std::vector<std::vector<float>> rows;
  std::vector<LossTotals> totals;
};

Trained train(const Network& network, const RandomImages& images, int threads,
              const std::vector<TrainingTask>& tasks, int rows,
              const std::vector<float>& mask = {}) {
  Executor executor(network, images.source(), Device(), threads, 16);
  Fleet fleet(network.layout(), rows, 2, Device());
  for (int r = 0; r < rows; ++r) {
    const std::vector<float> start = parameters(network, 1);
    std::copy(start.begin(), start.end(), fleet.values()[r]);
    // What an earlier round left must not matter, not even between tensors.
    std::fill_n(fleet.gradients()[r], fleet.pitch(), std::numeric_limits<float>::quiet_NaN());
    std::fill_n(fleet.state(0)[r], fleet.pitch(), 3.0F);
    std::fill_n(fleet.state(1)[r], fleet.pitch(), 5.0F);
  }
  Trained trained;
  trained.totals = executor.train(fleet, tasks, {mask.empty() ? nullptr : mask.data(), 0});
  for (int r = 0; r < rows; ++r) {
    trained.rows.emplace_back(fleet.values()[r], fleet.values()[r] + fleet.pitch());
    const std::vector<float>& row = trained.rows.back();
    EXPECT_TRUE(std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); }));
  }
  return trained;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(SlowTwin, TrainingManyRowsAtOnceEqualsTrainingEachAloneBitForBit) {
  const NetworkCase net = small_net();
  const Network network(net.input, net.classes, net.layers);
  const RandomImages images(net.input, 40);
  const Clients clients(images);
  std::vector<float> mask(static_cast<std::size_t>(network.layout().mask_size()), 1);
  mask[2] = 0;
  for (const auto& used : {std::vector<float>(), mask}) {
    // Rows in another order than clients.
    const std::vector<int> row_of = {3, 0, 4, 2, 1};
    std::vector<TrainingTask> tasks;
    for (int k = 0; k < 5; ++k) tasks.push_back(clients.task(k, row_of[k]));
    const Trained together = train(network, images, 2, tasks, 5, used);
    for (int k = 0; k < 5; ++k) {
      const auto i = static_cast<std::size_t>(k);
      const Trained alone = train(network, images, 1, {clients.task(k, 0)}, 1, used);
      EXPECT_TRUE(same_bits(alone.rows[0], together.rows[row_of[i]])) << "client " << k;
      EXPECT_EQ(alone.totals[0], together.totals[i]);
      EXPECT_EQ(alone.totals[0].count, std::ssize(clients.samples[i]) / Clients::kEpochs);
      const bool changed = !same_bits(alone.rows[0], parameters(network, 1));
      EXPECT_EQ(changed, k != Clients::kIdle) << "client " << k;
    }
  }
}

/// The path of a GPU, where every operation runs once for all rows: a client that has run out of
/// batches waits in its row.
TEST(SlowTwin, TrainingSideBySideInTheSameOperationsEqualsTrainingEachAloneBitForBit) {
  const NetworkCase net = small_net();
  const Network network(net.input, net.classes, net.layers);
  const RandomImages images(net.input, 40);
  const Clients clients(images);
  for (const OptimizerSettings& optimizer :
       {OptimizerSettings(
            Sgd::Settings{.learning_rate = 0.05F, .momentum = 0.9F, .weight_decay = 0.01F}),
        OptimizerSettings(Adam::Settings{.learning_rate = 0.05F, .weight_decay = 0.01F})}) {
    std::vector<TrainingTask> tasks;
    for (int k = 0; k < 5; ++k) {
      tasks.push_back(clients.task(k, k));
      tasks.back().optimizer = optimizer;
    }
    Context context{Device()};
    FleetTrainer trainer(network, images.source(), context, 16);
    Fleet fleet(network.layout(), 5, 2, Device());
    const std::vector<float> start = parameters(network, 1);
    // Twice, so that what the first left behind would show.
    std::vector<LossTotals> totals(5);
    for (int time = 0; time < 2; ++time) {
      for (int r = 0; r < 5; ++r) std::copy(start.begin(), start.end(), fleet.values()[r]);
      trainer.train(fleet, tasks, {}, totals);
    }
    for (std::size_t k = 0; k < 5; ++k) {
      TrainingTask task = tasks[k];
      task.row = 0;
      const Trained alone = train(network, images, 1, {task}, 1);
      const float* row = fleet.values()[static_cast<int>(k)];
      EXPECT_TRUE(same_bits(alone.rows[0], {row, row + fleet.pitch()})) << "client " << k;
      EXPECT_EQ(alone.totals[0], totals[k]);
    }
    EXPECT_EQ(totals[2].count, 50);
  }
}

TEST(FleetTrainer, RefusesTasksThatDoNotFitTogether) {
  const NetworkCase net = small_net();
  const Network network(net.input, net.classes, net.layers);
  const RandomImages images(net.input, 40);
  const std::vector<Sample> samples = images.samples(0, 8, net.classes);
  const TrainingTask first = {.row = 0, .samples = samples, .batch = 8};
  TrainingTask second = first;
  second.row = 1;
  EXPECT_TRUE(can_follow(first, second));
  learning_rate_of(second.optimizer) = 1;
  EXPECT_FALSE(can_follow(first, second));
  second = first;
  second.row = 1;
  second.inputs = {.lowest = 0, .highest = 200};
  EXPECT_FALSE(can_follow(first, second));
  second = first;
  second.row = 2;
  EXPECT_FALSE(can_follow(first, second));
  Context context{Device()};
  FleetTrainer trainer(network, images.source(), context, 16);
  Fleet fleet(network.layout(), 3, 0, Device());
  std::vector<LossTotals> totals(2);
  EXPECT_THROW(trainer.train(fleet, std::vector{first, second}, {}, totals), std::logic_error);
}

TEST(SlowTwin, ARowWithoutATaskKeepsItsBits) {
  const NetworkCase net = small_net();
  const Network network(net.input, net.classes, net.layers);
  const RandomImages images(net.input, 40);
  const Clients clients(images);
  const Trained trained = train(network, images, 2, {clients.task(0, 2), clients.task(2, 0)}, 3);
  EXPECT_TRUE(same_bits(trained.rows[1], parameters(network, 1)));
  EXPECT_FALSE(same_bits(trained.rows[0], parameters(network, 1)));
  EXPECT_FALSE(same_bits(trained.rows[2], parameters(network, 1)));
}

TEST(Threads, NeverChangeABitOfTrainingEvaluationOrRecording) {
  const NetworkCase net = small_net();
  const Network network(net.input, net.classes, net.layers);
  const RandomImages images(net.input, 40);
  const Clients clients(images);
  std::vector<TrainingTask> tasks;
  for (int k = 0; k < 5; ++k) tasks.push_back(clients.task(k, k));
  const Trained one = train(network, images, 1, tasks, 5);
  const std::vector<Sample> samples = images.samples(0, 101, net.classes);
  const std::vector<float> row = parameters(network, 2);
  const std::vector<std::span<const Sample>> lists = {samples, std::span(samples).first(37)};
  Executor single(network, images.source(), Device(), 1, 16);
  const auto evaluated = single.evaluate({.parameters = {row.data(), 0}}, samples);
  const auto recorded = single.record_activations({.parameters = {row.data(), 0}}, lists);
  for (const int threads : {2, 3}) {
    const Trained more = train(network, images, threads, tasks, 5);
    EXPECT_EQ(one.totals, more.totals);
    for (std::size_t r = 0; r < 5; ++r) EXPECT_TRUE(same_bits(one.rows[r], more.rows[r]));
    Executor executor(network, images.source(), Device(), threads, 16);
    EXPECT_EQ(executor.evaluate({.parameters = {row.data(), 0}}, samples), evaluated);
    EXPECT_EQ(executor.record_activations({.parameters = {row.data(), 0}}, lists), recorded);
  }
}

TEST(Training, LeavesASilencedChannelsWeightsAsTheyAre) {
  const NetworkCase net = small_net();
  const Network network(net.input, net.classes, net.layers);
  const RandomImages images(net.input, 40);
  const std::vector<Sample> samples = images.samples(0, 40, net.classes);
  const std::vector<TrainingTask> tasks = {
      {.samples = samples,
       .batch = 8,
       .optimizer = Sgd::Settings{.learning_rate = 0.1F, .momentum = 0.9F}}};
  constexpr int kSilent = 4;
  const ChannelSpan& conv2 = network.layout().conv_channels("conv2");
  std::vector<float> mask(static_cast<std::size_t>(network.layout().mask_size()), 1);
  mask[conv2.offset + kSilent] = 0;

  const ParameterSpan& weight = *network.layout().find("conv2.weight");
  const std::int64_t per_channel = weight.size / conv2.channels;
  const auto silent_weights = [&](const std::vector<float>& row) {
    const auto from = row.begin() + weight.offset + kSilent * per_channel;
    return std::vector<float>(from, from + per_channel);
  };
  const std::vector<float> start = parameters(network, 1);
  const Trained masked = train(network, images, 1, tasks, 1, mask);
  const Trained heard = train(network, images, 1, tasks, 1);
  EXPECT_EQ(silent_weights(masked.rows[0]), silent_weights(start));
  EXPECT_NE(silent_weights(heard.rows[0]), silent_weights(start));
  EXPECT_NE(masked.rows[0], start);
}

class Evaluation : public testing::Test {
 protected:
  std::vector<float> mask_without(std::initializer_list<int> conv2_channels) const {
    std::vector<float> mask(static_cast<std::size_t>(network.layout().mask_size()), 1);
    const ChannelSpan& span = network.layout().conv_channels("conv2");
    for (const int c : conv2_channels) mask[span.offset + c] = 0;
    return mask;
  }
  LossTotals alone(const std::vector<float>& row, const std::vector<float>& mask,
                   const std::vector<Sample>& samples) {
    return executor.evaluate({.parameters = {row.data(), 0}, .masks = {mask.data(), 0}}, samples)
        .front();
  }

  NetworkCase net = small_net();
  Network network{net.input, net.classes, net.layers};
  RandomImages images{net.input, 40};
  Executor executor{network, images.source(), Device(), 2, 16};
};

TEST_F(Evaluation, EqualsPlainLoopsOverAListThatFillsNoBatch) {
  const std::vector<Sample> samples = images.samples(3, 45, net.classes);
  const std::vector<float> row = parameters(network, 4);
  const ReferenceNetwork reference(net.input, net.layers, network.layout());
  const Values images_in_double = images.batch(samples);
  const std::vector<int> labels = labels_of(samples);
  const Values doubles(row.begin(), row.end());
  const Values logits = reference.forward(images_in_double, 45, doubles).logits;
  const LossTotals totals = executor.evaluate({.parameters = {row.data(), 0}}, samples).front();
  EXPECT_EQ(totals.count, 45);
  EXPECT_EQ(totals.correct, reference::correct_count(net.classes, 45, logits, labels));
  EXPECT_NEAR(totals.mean_loss(), reference.loss(images_in_double, labels, doubles), 1e-5);
}

TEST_F(Evaluation, OfRowsOfTheirOwnEqualsEachAlone) {
  const std::vector<Sample> samples = images.samples(0, 37, net.classes);
  const std::int64_t pitch = network.layout().row_size();
  const std::vector<float> rows = random_floats(8, 3 * pitch, -0.4, 0.4);
  const std::vector<float> heard = mask_without({});
  const auto totals = executor.evaluate(
      {.count = 3, .parameters = {rows.data(), pitch}, .masks = {heard.data(), 0}}, samples);
  ASSERT_EQ(totals.size(), 3U);
  EXPECT_NE(totals[0], totals[1]);
  for (int v = 0; v < 3; ++v) {
    const std::vector<float> row(rows.begin() + v * pitch, rows.begin() + (v + 1) * pitch);
    EXPECT_EQ(totals[v], alone(row, heard, samples)) << v;
  }
}

TEST_F(Evaluation, OfMasksOnOneSharedRowFromALaterLayerEqualsEachAlone) {
  const std::vector<Sample> samples = images.samples(0, 37, net.classes);
  const std::vector<float> row = parameters(network, 5);
  const std::vector<std::vector<float>> masks = {mask_without({}), mask_without({3}),
                                                 mask_without({3, 0}), mask_without({3, 0, 5})};
  std::vector<float> all;
  for (const auto& mask : masks) all.insert(all.end(), mask.begin(), mask.end());
  const int later = network.layout().conv_channels("conv2").layer;
  ASSERT_GT(later, 0);
  for (const int first_layer : {0, later}) {
    const auto totals = executor.evaluate({.count = 4,
                                           .parameters = {row.data(), 0},
                                           .masks = {all.data(), network.layout().mask_size()},
                                           .first_layer = first_layer},
                                          samples);
    EXPECT_NE(totals[0], totals[3]);
    for (std::size_t v = 0; v < 4; ++v) EXPECT_EQ(totals[v], alone(row, masks[v], samples)) << v;
  }
}

/// What a model that hears less of an image does is what one that hears all does on images whose
/// bytes lie within.
TEST_F(Evaluation, UnderARangeOfBytesEqualsImagesWithinIt) {
  const kernels::ByteRange range = {.lowest = 60, .highest = 190};
  const RandomImages within(net.input, 40, range);
  Executor other(network, within.source(), Device(), 1, 16);
  const std::vector<Sample> samples = images.samples(0, 37, net.classes);
  const std::vector<std::span<const Sample>> lists = {samples};
  const std::vector<float> row = parameters(network, 5);
  const ModelVariants all = {.parameters = {row.data(), 0}};
  const ModelVariants limited = {.parameters = {row.data(), 0}, .inputs = {range}};
  EXPECT_EQ(executor.evaluate(limited, samples), other.evaluate(all, samples));
  EXPECT_EQ(executor.record_activations(limited, lists), other.record_activations(all, lists));
  const auto both = executor.evaluate(
      {.count = 3, .parameters = {row.data(), 0}, .inputs = {kernels::ByteRange(), range, range}},
      samples);
  EXPECT_EQ(both[0], executor.evaluate(all, samples).front());
  EXPECT_EQ(both[1], other.evaluate(all, samples).front());
  EXPECT_EQ(both[2], both[1]);
  EXPECT_NE(both[0], both[1]);

  const auto trained = [&](Executor& by, const kernels::ByteRange& inputs) {
    Fleet fleet(network.layout(), 1, 0, Device());
    std::copy(row.begin(), row.end(), fleet.values()[0]);
    const TrainingTask task = {.samples = samples,
                               .batch = 16,
                               .optimizer = Sgd::Settings{.learning_rate = 0.05F},
                               .inputs = inputs};
    by.train(fleet, {&task, 1}, {});
    return std::vector<float>(fleet.values()[0], fleet.values()[0] + row.size());
  };
  EXPECT_EQ(trained(executor, range), trained(other, {}));
  EXPECT_NE(trained(executor, range), trained(executor, {}));
}

TEST_F(Evaluation, WillNotShareLayersAmongModelsThatHearDifferently) {
  const std::vector<float> row = parameters(network, 5);
  const std::vector<Sample> samples = images.samples(0, 5, net.classes);
  const ModelVariants variants = {.count = 2,
                                  .parameters = {row.data(), 0},
                                  .first_layer = 3,
                                  .inputs = {{.lowest = 1}, {.lowest = 2}}};
  EXPECT_THROW(executor.evaluate(variants, samples), std::logic_error);
}

TEST_F(Evaluation, OfNoSamplesCountsNone) {
  const std::vector<float> row = parameters(network, 5);
  const auto totals = executor.evaluate({.count = 2, .parameters = {row.data(), 0}}, {});
  EXPECT_EQ(totals, std::vector<LossTotals>(2));
}

TEST_F(Evaluation, RecordsTheSumsOfPlainLoopsWithoutThePaddingImages) {
  const std::vector<Sample> samples = images.samples(0, 50, net.classes);
  const std::vector<float> row = parameters(network, 6);
  const std::vector<float> mask = mask_without({1});
  // 37 is no multiple of the batch; the empty list and the one image are clients, too.
  const std::vector<std::span<const Sample>> lists = {
      std::span(samples).first(37), {}, std::span(samples).last(1), std::span(samples).first(16)};
  const auto records = executor.record_activations(
      {.parameters = {row.data(), 0}, .masks = {mask.data(), 0}}, lists);
  ASSERT_EQ(records.size(), lists.size());
  const ReferenceNetwork reference(net.input, net.layers, network.layout());
  for (std::size_t list = 0; list < lists.size(); ++list) {
    const std::vector<Sample> own(lists[list].begin(), lists[list].end());
    const int count = static_cast<int>(own.size());
    if (count == 0) {
      EXPECT_EQ(records[list], std::vector<double>(records[list].size(), 0.0));
      continue;
    }
    const auto output =
        reference.forward(images.batch(own), count, Values(row.begin(), row.end()), mask);
    ASSERT_EQ(output.activations.size(), 3U);
    for (const ChannelSpan& span : network.layout().channels()) {
      const Values sums =
          reference::channel_sums(span.channels, count, count, output.activations.at(span.name));
      for (int c = 0; c < span.channels; ++c) {
        const auto at = static_cast<std::size_t>(c);
        EXPECT_NEAR(records[list][static_cast<std::size_t>(span.offset) + at], sums[at],
                    1e-5 * (1 + sums[at]))
            << span.name << " channel " << c;
      }
    }
    const auto silent =
        static_cast<std::size_t>(network.layout().conv_channels("conv2").offset + 1);
    EXPECT_EQ(records[list][silent], 0);
  }
}

TEST(Executor, RefusesATaskThatBreaksItsContract) {
  const NetworkCase net = small_net();
  const Network network(net.input, net.classes, net.layers);
  const RandomImages images(net.input, 40);
  const std::vector<Sample> samples = images.samples(0, 8, net.classes);
  EXPECT_THROW(train(network, images, 1, {{.row = 1, .samples = samples}}, 1), std::logic_error);
  EXPECT_THROW(train(network, images, 1, {{.samples = samples, .batch = 17}}, 1), std::logic_error);
  EXPECT_THROW(train(network, images, 1, {{.samples = samples, .epochs = 0, .batch = 8}}, 1),
               std::logic_error);
}

}  // namespace
}  // namespace redoubt::test
