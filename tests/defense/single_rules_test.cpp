// What one rule alone does, and which settings a rule refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "defense/rules.h"
#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::HasSubstr;

TEST(NormBound, AddsNoiseOfItsDeviationThatDependsOnSeedAndRoundOnly) {
  TrainedWorld trained;
  const auto noise = [&](std::uint64_t seed, int round, int threads) {
    const std::int64_t columns = 100000;
    const std::unique_ptr<AggregationRule> rule =
        Rules::make(NormBoundSettings{.norm = 1, .noise = 0.5},
                    {.executor = trained.world.executor, .seed = seed});
    const std::vector<float> zeros(columns);
    const std::vector<double> counts = {1};
    const std::vector<int> ids = {0};
    Context context(Device(), threads);
    return rule
        ->aggregate(context, {.shape = {1, columns},
                              .matrix = {zeros.data(), columns},
                              .sample_counts = counts,
                              .clients = ids,
                              .round = round,
                              .trained_ranges = {{0, columns}},
                              .trained_tensors = {{0, columns}}})
        .combined.download();
  };
  const std::vector<float> one = noise(1, 1, 1);
  EXPECT_EQ(one, noise(1, 1, 2));
  EXPECT_NE(one, noise(2, 1, 1));
  EXPECT_NE(one, noise(1, 2, 1));
  double sum = 0;
  double squares = 0;
  for (const float value : one) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  // Four standard errors of 100,000 numbers.
  EXPECT_NEAR(sum / 1e5, 0, 4 * 0.5 / std::sqrt(1e5));
  EXPECT_NEAR(squares / 1e5, 0.25, 4 * 0.25 * std::sqrt(2 / 1e5));
}

TEST(AccuracyCheck, LeavesOutWhoMakesTheModelWorse) {
  TrainedWorld trained;
  const std::unique_ptr<AggregationRule> rule = Rules::make(
      AccuracyCheckSettings{.drop = 0.1},
      {.executor = trained.world.executor, .validation = trained.images.validation, .seed = 1});
  const std::int64_t columns = trained.model.row.count();
  std::vector<float> matrix(static_cast<std::size_t>(4 * columns));
  // Client 2's model is the negative of the global one.
  const std::vector<float> global = trained.model.row.download();
  for (std::size_t i = 0; i < global.size(); ++i) matrix[2 * global.size() + i] = -2 * global[i];
  const std::vector<double> counts = {1, 2, 3, 4};
  const std::vector<int> ids = {3, 5, 6, 9};
  const Aggregate answer =
      rule->aggregate(trained.world.executor.context(), {.shape = {4, columns},
                                                         .matrix = {matrix.data(), columns},
                                                         .sample_counts = counts,
                                                         .clients = ids,
                                                         .global = trained.model.row.data(),
                                                         .mask = trained.model.mask.data()});
  EXPECT_EQ(answer.row_weights, (std::vector<double>{1, 2, 0, 4}));
  EXPECT_EQ(answer.removed, std::vector<int>{6});
}

TEST(CheckRule, RefusesWhatARuleCannotHonour) {
  TrainedWorld trained;
  const auto message = [&](const RuleSettings& settings, int participants, int validation = 10) {
    return input_error([&] {
      Rules::check(settings, {.participants = participants,
                              .validation_samples = validation,
                              .layout = trained.world.network.layout()});
    });
  };
  const auto accepts = [&](const RuleSettings& settings, int participants) {
    EXPECT_NO_THROW(Rules::check(settings, {.participants = participants,
                                            .validation_samples = 10,
                                            .layout = trained.world.network.layout()}));
  };
  EXPECT_THAT(message(KrumSettings{2}, 6), HasSubstr("krum.malicious is 2, which takes a round of "
                                                     "at least 7 clients; there are 6"));
  accepts(KrumSettings{2}, 7);
  EXPECT_THAT(message(MultiKrumSettings{2, 6}, 7), HasSubstr("multi-krum.selected is 6"));
  accepts(MultiKrumSettings{2, 5}, 7);
  EXPECT_THAT(message(BulyanSettings{2}, 10), HasSubstr("at least 11 clients"));
  accepts(BulyanSettings{2}, 11);
  EXPECT_THAT(message(TrimmedMeanSettings{3}, 6), HasSubstr("at least 7 clients"));
  accepts(TrimmedMeanSettings{3}, 7);
  EXPECT_THAT(message(AccuracyCheckSettings{}, 5, 0), HasSubstr("accuracy-check needs"));
  EXPECT_THAT(message(SpectralSettings{}, 5, 0),
              HasSubstr("spectral needs the server's validation images; set "
                        "data.validation_samples"));
  EXPECT_THAT(message(SpectralSettings{.layer = "fc1"}, 5),
              HasSubstr("\"fc1\" is no conv layer; the model has conv1, conv2"));
  accepts(SpectralSettings{.layer = "last"}, 5);
  EXPECT_THAT(message(AribaSettings{.suspects = 5}, 5), HasSubstr("ariba.suspects is 5"));
  EXPECT_THAT(message(AribaSettings{.suspects = 1, .layers = {"conv7"}}, 5),
              HasSubstr("\"conv7\" is no conv layer; the model has conv1, conv2"));
  EXPECT_THAT(
      message(AribaSettings{.suspects = 1,
                            .fragments = {.kind = FragmentSettings::Kind::block, .block = 100000}},
              5),
      HasSubstr("fragments.block is 100000"));
}

}  // namespace
}  // namespace redoubt::test
