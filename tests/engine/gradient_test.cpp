// Whole networks against plain loops in double: outputs, the loss, and the gradient of every
// parameter against finite differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/network.h"
#include "engine/train_step.h"
#include "tests/engine/network_cases.h"
#include "tests/engine/random_images.h"
#include "tests/engine/reference_network.h"

namespace redoubt::test {
namespace {

using kernels::LossTotals;
using kernels::Sample;
using reference::Values;

constexpr int kBatch = 5;

/// R replicas of a network with random rows, each with a batch whose last images are padding.
class Replicated {
 public:
  Replicated(const NetworkCase& network_case, int replicas)
      : network(network_case.input, network_case.classes, network_case.layers),
        images(network_case.input, 12),
        reference(network_case.input, network_case.layers, network.layout()),
        replicas_(replicas),
        workspace(network, Device(), replicas, kBatch, true),
        context(Device()),
        row_size_(network.layout().row_size()),
        values(random_floats(1, replicas * row_size_, -0.5, 0.5)),
        gradients(values.size(), NAN) {
    for (int r = 0; r < replicas; ++r) {
      std::vector<Sample> batch = images.samples(3 * r, kBatch, network_case.classes);
      for (int n = kBatch - r % 3; n < kBatch; ++n) batch[n] = {};
      batches.push_back(batch);
      samples.insert(samples.end(), batch.begin(), batch.end());
      keys.push_back({.seed = 9,
                      .purpose = Purpose::dropout,
                      .client = 4U + 3U * static_cast<std::uint32_t>(r),
                      .step = 2});
    }
  }

  /// One step at learning rate 0: leaves gradients, values stay.
  void step(const std::vector<float>& masks = {}, const Terms& terms = {}) {
    totals.assign(batches.size(), {});
    const Pass pass = {
        .context = context,
        .replicas = replicas_,
        .batch = kBatch,
        .masks = {masks.empty() ? nullptr : masks.data(), network.layout().mask_size()},
        .keys = keys.data()};
    train_step(network, workspace, pass, images.source(), {samples.data(), kBatch},
               {.values = {values.data(), row_size_}, .gradients = {gradients.data(), row_size_}},
               {.optimizer = Sgd::Settings{.learning_rate = 0}, .terms = terms}, totals.data());
  }

  Values row(int replica) const {
    const auto from = values.begin() + replica * row_size_;
    return {from, from + row_size_};
  }
  /// What finite differences say of one replica.
  Values expected_gradient(int replica, const std::vector<float>& mask = {}) const {
    const auto r = static_cast<std::size_t>(replica);
    return reference.gradient(images.batch(batches[r]), labels_of(batches[r]), row(replica), mask,
                              &keys[r]);
  }
  float gradient(int replica, std::int64_t column) const {
    return gradients[replica * row_size_ + column];
  }

  Network network;
  RandomImages images;
  ReferenceNetwork reference;
  int replicas_;
  Workspace workspace;
  Context context;
  std::int64_t row_size_;
  std::vector<float> values;
  std::vector<float> gradients;
  std::vector<std::vector<Sample>> batches;
  std::vector<Sample> samples;
  std::vector<RandomKey> keys;
  std::vector<LossTotals> totals;
};

/// Every tensor's gradient, with the distance measured against its largest element.
void expect_gradient(const Replicated& run, int replica, const Values& expected) {
  for (const ParameterSpan& span : run.network.layout().spans()) {
    if (span.role == ParameterSpan::Role::statistic) continue;
    double largest = 0;
    double distance = 0;
    for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
      const double value = expected[i];
      largest = std::max(largest, std::abs(value));
      // Written so that NaN is a distance, too.
      const double gap = std::abs(static_cast<double>(run.gradient(replica, i)) - value);
      if (!(gap <= distance)) distance = gap;
    }
    EXPECT_GT(largest, 0) << span.name << " has no gradient to compare";
    EXPECT_LE(distance, 2e-5 * largest + 1e-7) << span.name << " of replica " << replica;
  }
}

class EveryNetwork : public testing::TestWithParam<NetworkCase> {};

TEST_P(EveryNetwork, HasTheLossAndTheGradientOfPlainLoopsForOneReplicaAndForThree) {
  for (const int replicas : {1, 3}) {
    Replicated run(GetParam(), replicas);
    run.step();
    for (int r = 0; r < replicas; ++r) {
      const auto i = static_cast<std::size_t>(r);
      const std::vector<int> labels = labels_of(run.batches[i]);
      const Values batch = run.images.batch(run.batches[i]);
      EXPECT_EQ(run.totals[i].count, kBatch - r % 3);
      EXPECT_NEAR(run.totals[i].mean_loss(),
                  run.reference.loss(batch, labels, run.row(r), {}, &run.keys[i]), 1e-5);
      const Values logits =
          run.reference.forward(batch, kBatch, run.row(r), {}, &run.keys[i], kBatch - r % 3).logits;
      EXPECT_EQ(run.totals[i].correct,
                reference::correct_count(GetParam().classes, kBatch, logits, labels));
      expect_gradient(run, r, run.expected_gradient(r));
    }
  }
}

TEST_P(EveryNetwork, TreatsReplicasSideBySideAsOneByOneBitForBit) {
  Replicated together(GetParam(), 3);
  const std::vector<float> before = together.values;
  together.step();
  for (int r = 0; r < 3; ++r) {
    Replicated alone(GetParam(), 1);
    const std::int64_t row = alone.row_size_;
    alone.values.assign(before.begin() + r * row, before.begin() + (r + 1) * row);
    alone.samples = together.batches[r];
    alone.keys[0] = together.keys[r];
    alone.step();
    EXPECT_EQ(alone.totals[0], together.totals[r]);
    for (const ParameterSpan& span : alone.network.layout().spans()) {
      for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (span.role == ParameterSpan::Role::statistic) {
          ASSERT_EQ(alone.values[at], together.values[static_cast<std::size_t>(r * row) + at])
              << span.name << " of replica " << r;
          continue;
        }
        ASSERT_EQ(alone.gradient(0, i), together.gradient(r, i))
            << span.name << " of replica " << r;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Engine, EveryNetwork, testing::ValuesIn(network_cases()),
                         [](const auto& each) { return each.param.name; });

NetworkCase masked_case() {
  return {"Masked", {1, 9, 9}, 3, {conv(3, 3), relu(), max_pool(2), conv(4, 2), relu(), dense(3)}};
}

/// A mask row a replica: all heard but one conv1 and one conv2 channel, other ones each.
std::vector<float> masks_for(const Network& network, int replicas) {
  std::vector<float> masks;
  for (int r = 0; r < replicas; ++r) {
    std::vector<float> mask(static_cast<std::size_t>(network.layout().mask_size()), 1);
    for (const ChannelSpan& span : network.layout().channels()) {
      mask[span.offset + r % span.channels] = 0;
    }
    masks.insert(masks.end(), mask.begin(), mask.end());
  }
  return masks;
}

TEST(Mask, OfEachReplicaItsOwnSilencesAChannelInOutputAndGradient) {
  Replicated run(masked_case(), 3);
  const std::vector<float> masks = masks_for(run.network, 3);
  const std::int64_t mask_size = run.network.layout().mask_size();
  run.step(masks);
  for (int r = 0; r < 3; ++r) {
    const std::vector<float> mask(masks.begin() + r * mask_size,
                                  masks.begin() + (r + 1) * mask_size);
    expect_gradient(run, r, run.expected_gradient(r, mask));
    for (const ChannelSpan& channels : run.network.layout().channels()) {
      // Layer l's output is activation l + 1, [C][H][W][N]; this channel is one run of it.
      const Shape& shape = run.network.output(channels.layer);
      const int silent = r % channels.channels;
      const float* output = run.workspace.activation(channels.layer + 1)[r];
      const std::int64_t size = std::int64_t{shape.positions()} * kBatch;
      for (std::int64_t i = silent * size; i < (silent + 1) * size; ++i) ASSERT_EQ(output[i], 0);
      const int heard = (r + 1) % channels.channels;
      EXPECT_GT(*std::max_element(output + heard * size, output + (heard + 1) * size), 0);

      const ParameterSpan* weight = run.network.layout().find(channels.name + ".weight");
      const std::int64_t per_channel = weight->size / channels.channels;
      for (std::int64_t i = 0; i < per_channel; ++i) {
        ASSERT_EQ(run.gradient(r, weight->offset + silent * per_channel + i), 0);
      }
      const ParameterSpan* bias = run.network.layout().find(channels.name + ".bias");
      EXPECT_EQ(run.gradient(r, bias->offset + silent), 0);
    }
  }
}

TEST(Mask, OfOnesChangesNoBit) {
  Replicated plain(masked_case(), 1);
  Replicated masked(masked_case(), 1);
  plain.step();
  masked.step(std::vector<float>(static_cast<std::size_t>(plain.network.layout().mask_size()), 1));
  EXPECT_EQ(plain.totals, masked.totals);
  for (const ParameterSpan& span : plain.network.layout().spans()) {
    for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
      ASSERT_EQ(plain.gradient(0, i), masked.gradient(0, i)) << span.name;
    }
  }
}

TEST(L2Penalty, AddsTwiceLambdaTimesTheWeightToItsTensorsGradientOnly) {
  Replicated plain(masked_case(), 2);
  Replicated penalised(masked_case(), 2);
  const ParameterSpan* weight = plain.network.layout().find("conv2.weight");
  const float lambda = 0.35F;
  plain.step();
  penalised.step({}, Terms::of(L2Penalty(*weight, lambda)));
  for (int r = 0; r < 2; ++r) {
    const Values row = plain.row(r);
    for (const ParameterSpan& span : plain.network.layout().spans()) {
      for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
        const double extra =
            span.name == "conv2.weight" ? 2 * static_cast<double>(lambda) * row[i] : 0;
        ASSERT_NEAR(static_cast<double>(penalised.gradient(r, i)),
                    static_cast<double>(plain.gradient(r, i)) + extra, 1e-6)
            << span.name;
      }
    }
  }
}

/// ReLU and the max pooling after it are one layer; with a layer between them that changes nothing
/// they are two.
TEST(FusedReluAndMaxPool, GivesTheSameAsTheTwoLayersApart) {
  NetworkCase fused = masked_case();
  NetworkCase apart = fused;
  apart.layers.insert(apart.layers.begin() + 2, dropout(0));
  Replicated one(fused, 2);
  Replicated two(apart, 2);
  EXPECT_EQ(one.network.layer_count() + 2, two.network.layer_count());
  const std::vector<float> masks = masks_for(one.network, 2);
  one.step(masks);
  two.step(masks);
  EXPECT_EQ(one.totals, two.totals);
  for (int r = 0; r < 2; ++r) {
    for (const ParameterSpan& span : one.network.layout().spans()) {
      for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
        ASSERT_EQ(one.gradient(r, i), two.gradient(r, i)) << span.name;
      }
    }
  }
}

}  // namespace
}  // namespace redoubt::test
