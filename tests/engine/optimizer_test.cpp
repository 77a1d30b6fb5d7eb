// Several steps of each optimizer through the executor against the same steps in double: a linear
// network, whose gradient is a product of two matrices.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/executor.h"
#include "tests/engine/network_cases.h"
#include "tests/engine/random_images.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using reference::Values;

constexpr Shape kInput = {2, 3, 4};
constexpr int kInputs = 24;
constexpr int kClasses = 5;
constexpr int kBatch = 8;
constexpr int kSamples = 29;  ///< three whole batches and one of five
constexpr int kEpochs = 3;

/// Softmax regression in double, all tensors in one list: weight [classes x inputs], then bias.
Values gradient(const Values& parameters, const Values& inputs, const std::vector<int>& labels) {
  const int batch = static_cast<int>(labels.size());
  const Values weight(parameters.begin(), parameters.begin() + kClasses * kInputs);
  const Values bias(parameters.begin() + kClasses * kInputs, parameters.end());
  const Values logits = reference::add_bias(
      reference::gemm({.rows = kClasses, .columns = batch, .inner = kInputs}, weight, inputs),
      bias);
  const Values error = reference::cross_entropy_gradient(kClasses, batch, logits, labels);
  Values gradients = reference::gemm(
      {.rows = kClasses, .columns = kInputs, .inner = batch, .transpose_b = true}, error, inputs);
  for (int c = 0; c < kClasses; ++c) {
    double sum = 0;
    for (int n = 0; n < batch; ++n) sum += error[c * batch + n];
    gradients.push_back(sum);
  }
  return gradients;
}

Values trained_in_double(const OptimizerSettings& optimizer, double lambda, Values parameters,
                         const RandomImages& images, const std::vector<Sample>& samples) {
  Values first(parameters.size(), 0.0);
  Values second(parameters.size(), 0.0);
  int step = 0;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto start = samples.begin() + epoch * kSamples;
    for (int at = 0; at < kSamples; at += kBatch) {
      const std::vector<Sample> batch(start + at, start + std::min(at + kBatch, kSamples));
      Values gradients = gradient(parameters, images.batch(batch), labels_of(batch));
      for (std::size_t i = 0; i < kClasses * kInputs; ++i)
        gradients[i] += 2 * lambda * parameters[i];
      if (const auto* adam = std::get_if<Adam::Settings>(&optimizer)) {
        reference::adam({.learning_rate = adam->learning_rate,
                         .beta1 = adam->beta1,
                         .beta2 = adam->beta2,
                         .epsilon = adam->epsilon,
                         .weight_decay = adam->weight_decay},
                        ++step, gradients, parameters, first, second);
      } else {
        const auto& sgd = std::get<Sgd::Settings>(optimizer);
        reference::sgd({.learning_rate = sgd.learning_rate,
                        .momentum = sgd.momentum,
                        .weight_decay = sgd.weight_decay},
                       gradients, parameters, first);
      }
    }
  }
  return parameters;
}

struct OptimizerCase {
  std::string name;
  OptimizerSettings optimizer;
  float lambda = 0;
};

class EveryOptimizer : public testing::TestWithParam<OptimizerCase> {};

TEST_P(EveryOptimizer, TakesTheStepsOfPlainDouble) {
  const Network network(kInput, kClasses, std::vector{dense(kClasses)});
  const RandomImages images(kInput, 50);
  std::vector<Sample> samples;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto one = images.samples(11 * epoch, kSamples, kClasses);
    samples.insert(samples.end(), one.begin(), one.end());
  }
  const ParameterSpan& weight = network.layout().spans()[0];
  const ParameterSpan& bias = network.layout().spans()[1];
  const Values start = [&] {
    const auto floats = random_floats(3, kClasses * (kInputs + 1), -0.3, 0.3);
    return Values(floats.begin(), floats.end());
  }();

  Executor executor(network, images.source(), Device(), 1, kBatch);
  Fleet fleet(network.layout(), 1, 2, Device());
  float* row = fleet.values()[0];
  std::copy_n(start.begin(), weight.size, row + weight.offset);
  std::copy_n(start.begin() + weight.size, bias.size, row + bias.offset);
  Terms terms;
  if (GetParam().lambda != 0) terms.add(L2Penalty(weight, GetParam().lambda));
  const std::vector<TrainingTask> tasks = {{.samples = samples,
                                            .epochs = kEpochs,
                                            .batch = kBatch,
                                            .optimizer = GetParam().optimizer,
                                            .terms = terms}};
  executor.train(fleet, tasks, {});

  const Values expected = trained_in_double(
      GetParam().optimizer, static_cast<double>(GetParam().lambda), start, images, samples);
  double moved = 0;
  for (std::int64_t i = 0; i < weight.size + bias.size; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float value =
        i < weight.size ? row[weight.offset + i] : row[bias.offset + i - weight.size];
    EXPECT_NEAR(static_cast<double>(value), expected[at], 2e-5);
    moved = std::max(moved, std::abs(expected[at] - start[at]));
  }
  EXPECT_GT(moved, 0.02) << "the steps are too small to tell one optimizer from another";
}

INSTANTIATE_TEST_SUITE_P(
    Engine, EveryOptimizer,
    testing::Values(OptimizerCase{"Sgd", Sgd::Settings{.learning_rate = 0.05F}},
                    OptimizerCase{"Momentum",
                                  Sgd::Settings{.learning_rate = 0.02F, .momentum = 0.9F}},
                    OptimizerCase{"MomentumAndWeightDecay", Sgd::Settings{.learning_rate = 0.02F,
                                                                          .momentum = 0.9F,
                                                                          .weight_decay = 0.1F}},
                    OptimizerCase{"L2Penalty", Sgd::Settings{.learning_rate = 0.05F}, 0.05F},
                    OptimizerCase{"Adam", Adam::Settings{.learning_rate = 0.01F}},
                    OptimizerCase{"AdamWithOtherSettings", Adam::Settings{.learning_rate = 0.02F,
                                                                          .beta1 = 0.8F,
                                                                          .beta2 = 0.95F,
                                                                          .epsilon = 1e-4F,
                                                                          .weight_decay = 0.1F}}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace redoubt::test
