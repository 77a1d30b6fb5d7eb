// Adjusting extreme weights against plain loops, and the sweep of Δ.
#include "defense/adjust_weights.h"

#include <cmath>
#include <sstream>

#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(DeltaLevels, GoDownwardAndIncludeBothEndsIfTheStepMeetsThem) {
  EXPECT_THAT(delta_levels({.from = 2, .to = 1, .step = 0.25}), ElementsAre(2, 1.75, 1.5, 1.25, 1));
  EXPECT_THAT(delta_levels({.from = 2, .to = 1, .step = 0.4}),
              ElementsAre(2, testing::DoubleEq(1.6), testing::DoubleNear(1.2, 1e-12)));
  EXPECT_THAT(delta_levels({.from = 3, .to = 3, .step = 1}), ElementsAre(3));
  // 0.1 has no exact binary form: 21 levels all the same.
  EXPECT_EQ(delta_levels({.from = 3, .to = 1, .step = 0.1}).size(), 21U);
}

TEST(DeltaLevels, AreTheOneThatIsGiven) {
  EXPECT_THAT(delta_levels({.delta = 2.5, .from = 9, .to = 1, .step = 1}), ElementsAre(2.5));
}

/// What is left of a row when every weight of conv2's heard channels outside μ ± Δσ becomes 0.
struct Adjusted {
  std::vector<float> row;
  std::int64_t zeroed = 0;
  double mean = 0;
  double deviation = 0;
};

Adjusted adjusted_by_loops(const TrainedWorld& trained, double delta) {
  Adjusted result = {.row = trained.model.row.download()};
  std::vector<std::size_t> heard;
  for (int c = 0; c < trained.layer().channels; ++c) {
    if (trained.mask_of(c) == 0) continue;
    for (std::int64_t i = 0; i < trained.per_channel(); ++i) {
      heard.push_back(
          static_cast<std::size_t>(trained.weight().offset + c * trained.per_channel() + i));
    }
  }
  const auto count = static_cast<double>(heard.size());
  for (const std::size_t i : heard) result.mean += static_cast<double>(result.row[i]) / count;
  double squares = 0;
  for (const std::size_t i : heard) {
    const double gap = static_cast<double>(result.row[i]) - result.mean;
    squares += gap * gap;
  }
  result.deviation = std::sqrt(squares / count);
  for (const std::size_t i : heard) {
    if (std::abs(static_cast<double>(result.row[i]) - result.mean) <= delta * result.deviation) {
      continue;
    }
    result.row[i] = 0;
    ++result.zeroed;
  }
  return result;
}

TEST(AdjustWeights, ZeroesWhatLiesOutsideMeanPlusMinusDeltaDeviations) {
  for (const double delta : {0.5, 1.5, 2.5}) {
    TrainedWorld trained;
    const Adjusted expected = adjusted_by_loops(trained, delta);
    ASSERT_GT(expected.zeroed, 0);
    const Record record = *AdjustWeights({.delta = delta}).run(trained.server, {});
    EXPECT_EQ(record.stage, "adjust_weights");
    EXPECT_EQ(trained.model.row.download(), expected.row);
    EXPECT_EQ(value_of<std::int64_t>(record, "zeroed_weights"), expected.zeroed);
    EXPECT_EQ(value_of<double>(record, "delta"), delta);
    std::ostringstream note;
    note << expected.zeroed << " weights of conv2 zeroed, beyond " << delta << " deviations";
    EXPECT_EQ(record.note, note.str());
    EXPECT_NEAR(value_of<double>(record, "mean"), expected.mean, 1e-9);
    EXPECT_NEAR(value_of<double>(record, "deviation"), expected.deviation, 1e-9);
    EXPECT_EQ(record.find("level_judged_accuracy"), nullptr) << "no judge was asked";
  }
}

TEST(AdjustWeights, LeavesPrunedChannelsOutOfMeanAndDeviation) {
  TrainedWorld trained;
  // Silent channels with wild weights: counted, they would widen the deviation a hundredfold.
  std::vector<float> row = trained.model.row.download();
  for (const int c : {2, 5}) {
    trained.set_mask(c, 0);
    for (std::int64_t i = 0; i < trained.per_channel(); ++i) {
      row[trained.weight().offset + c * trained.per_channel() + i] = i % 2 == 0 ? 50.0F : -50.0F;
    }
  }
  trained.model.row.upload(row);
  const Adjusted expected = adjusted_by_loops(trained, 2);
  ASSERT_LT(expected.deviation, 1);
  ASSERT_GT(expected.zeroed, 0);
  const Record record = *AdjustWeights({.delta = 2.0}).run(trained.server, {});
  EXPECT_EQ(value_of<std::int64_t>(record, "zeroed_weights"), expected.zeroed);
  EXPECT_NEAR(value_of<double>(record, "deviation"), expected.deviation, 1e-9);
  EXPECT_EQ(trained.model.row.download(), expected.row) << "silent channels are not touched";
}

TEST(AdjustWeights, SweepsDownToTheSmallestDeltaThatAccuracyAllows) {
  for (const double drop : {0.0, 0.05, 0.2, 1.0}) {
    TrainedWorld trained;
    const AdjustWeightsSettings settings = {
        .from = 3, .to = 0.25, .step = 0.25, .stop = {.accuracy_drop = drop}};
    // Every level starts from the model as it came, not from the level before.
    const std::vector<double> deltas = delta_levels(settings);
    const std::vector<float> mask = trained.model.mask.download();
    std::vector<std::vector<float>> rows = {trained.model.row.download()};
    std::vector<std::int64_t> zeroed = {0};
    for (const double delta : deltas) {
      const Adjusted level = adjusted_by_loops(trained, delta);
      rows.push_back(level.row);
      zeroed.push_back(level.zeroed);
    }
    std::vector<double> judged;
    for (const auto& row : rows) judged.push_back(trained.validate(row, mask).accuracy);
    std::size_t chosen = 0;
    while (chosen + 1 < judged.size() &&
           std::round(100 * (judged[0] - judged[chosen + 1])) <= std::round(100 * drop)) {
      ++chosen;
    }

    const Record record = *AdjustWeights(settings).run(trained.server, {});
    EXPECT_EQ(value_of<std::vector<double>>(record, "level_judged_accuracy"), judged);
    EXPECT_EQ(value_of<std::vector<std::int64_t>>(record, "level_zeroed_weights"), zeroed);
    EXPECT_EQ(value_of<std::string>(record, "level_axis"), "delta");
    auto levels = value_of<std::vector<double>>(record, "levels");
    EXPECT_EQ(levels.front(), INFINITY) << "of the untreated model";
    levels.erase(levels.begin());
    EXPECT_EQ(levels, deltas);
    EXPECT_EQ(trained.model.row.download(), rows[chosen]) << "drop " << drop;
    EXPECT_EQ(value_of<std::int64_t>(record, "zeroed_weights"), zeroed[chosen]);
    EXPECT_EQ(record.find("delta") != nullptr, chosen > 0);
    EXPECT_EQ(value_of<double>(record, "accuracy"),
              value_of<std::vector<double>>(record, "level_accuracy")[chosen]);
  }
}

TEST(AdjustWeights, MayStopByTheLoss) {
  TrainedWorld trained;
  const double before = trained.server.validate(trained.model.variant()).front().loss;
  AdjustWeights({.from = 3,
                 .to = 0.25,
                 .step = 0.25,
                 .stop = {.accuracy_drop = std::nullopt, .loss_rise = 0.2}})
      .run(trained.server, {});
  EXPECT_LE(trained.server.validate(trained.model.variant()).front().loss, before + 0.2);
}

TEST(AdjustWeights, NamesALayerThatIsNotThere) {
  TrainedWorld trained;
  EXPECT_THAT(input_error([&] { AdjustWeights({.layer = "conv9"}).run(trained.server, {}); }),
              HasSubstr("conv9"));
}

}  // namespace
}  // namespace redoubt::test
