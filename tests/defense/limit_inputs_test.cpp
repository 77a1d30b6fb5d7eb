// Limiting inputs: the levels and the choice against one model at a time, and that all that follows
// hears the same.
#include "defense/limit_inputs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "defense/adjust_weights.h"
#include "defense/fine_tune.h"
#include "defense/prune.h"
#include "defense/rules.h"
#include "defense/spectral.h"
#include "tests/defense/trained_world.h"

namespace redoubt::test {
namespace {

using Ends = LimitInputsSettings::Ends;
using kernels::ByteRange;

TEST(LimitInputs, CutsTheEndsThatItIsToldTo) {
  EXPECT_EQ(limited({}, Ends::both, 10), (ByteRange{10, 245}));
  EXPECT_EQ(limited({}, Ends::bright, 10), (ByteRange{0, 245}));
  EXPECT_EQ(limited({}, Ends::dark, 10), (ByteRange{10, 255}));
  EXPECT_EQ(limited({}, Ends::both, 127), (ByteRange{127, 128}));
  EXPECT_EQ(limited({}, Ends::both, 0), ByteRange());
  // What is not heard any more stays so.
  EXPECT_EQ(limited({30, 240}, Ends::both, 20), (ByteRange{30, 235}));
  EXPECT_EQ(limited({30, 240}, Ends::dark, 40), (ByteRange{40, 240}));
  EXPECT_EQ(limited({200, 255}, Ends::bright, 60), (ByteRange{200, 200}));
  EXPECT_EQ(limited({0, 50}, Ends::dark, 60), (ByteRange{50, 50}));
}

TEST(LimitInputs, SweepsUpwardAsFarAsTheStepMeetsTheEnd) {
  EXPECT_EQ(margin_levels({.from = 10, .to = 40, .step = 10}), (std::vector{10, 20, 30, 40}));
  EXPECT_EQ(margin_levels({.from = 10, .to = 39, .step = 10}), (std::vector{10, 20, 30}));
  EXPECT_EQ(margin_levels({.margin = 7}), std::vector{7});
}

/// The model as the only variant, hearing so much.
ModelVariants hearing(const TrainedWorld& trained, const ByteRange& range) {
  ModelVariants variants = trained.model.variant();
  variants.inputs = {range};
  return variants;
}

TEST(LimitInputs, SweepsUpToTheLargestMarginThatAccuracyAllows) {
  for (const bool validation : {true, false}) {
    for (const double drop : {0.0, 0.05, 0.2, 1.0}) {
      SCOPED_TRACE(testing::Message() << "validation " << validation << ", drop " << drop);
      TrainedWorld trained(validation);
      const LimitInputsSettings settings = {
          .ends = Ends::both, .from = 20, .to = 120, .step = 20, .stop = {.accuracy_drop = drop}};
      std::vector<ByteRange> ranges = {{}};
      for (const int margin : {20, 40, 60, 80, 100, 120}) {
        ranges.push_back(limited({}, Ends::both, margin));
      }
      std::vector<double> judged;
      std::vector<double> tested;
      for (const ByteRange& range : ranges) {
        const ModelVariants alone = hearing(trained, range);
        judged.push_back(
            (validation ? trained.server.validate(alone) : trained.server.ask_clients(alone))
                .front()
                .accuracy);
        tested.push_back(trained.server.test(alone).front().clean.accuracy);
      }
      ASSERT_LT(judged.back(), judged.front() - 0.2) << "a model that hears nothing is worse";
      std::size_t chosen = 0;
      while (chosen + 1 < judged.size() && judged[0] - judged[chosen + 1] <= drop + 1e-9) ++chosen;

      const std::vector<float> before = trained.model.row.download();
      const Record record = *LimitInputs(settings).run(trained.server, {});
      EXPECT_EQ(record.stage, "limit_inputs");
      EXPECT_EQ(value_of<std::vector<double>>(record, "level_judged_accuracy"), judged);
      EXPECT_EQ(value_of<std::vector<double>>(record, "level_accuracy"), tested);
      EXPECT_EQ(trained.model.inputs, ranges[chosen]);
      EXPECT_EQ(trained.model.row.download(), before);
      EXPECT_EQ(value_of<double>(record, "accuracy"), tested[chosen]);
      EXPECT_EQ(value_of<std::int64_t>(record, "lowest_input"), ranges[chosen].lowest);
      EXPECT_EQ(value_of<std::int64_t>(record, "highest_input"), ranges[chosen].highest);
      EXPECT_EQ(value_of<std::string>(record, "ends"), "both");
      EXPECT_EQ(value_of<std::string>(record, "level_axis"), "margin");
      EXPECT_EQ(value_of<std::vector<double>>(record, "levels"),
                (std::vector<double>{0, 20, 40, 60, 80, 100, 120}));
      ASSERT_EQ(record.find("margin") != nullptr, chosen > 0);
      if (chosen > 0) {
        EXPECT_EQ(value_of<std::int64_t>(record, "margin"), 20 * static_cast<int>(chosen));
      }
    }
  }
}

TEST(LimitInputs, TakesAMarginAsItIsGiven) {
  TrainedWorld trained;
  const Record record = *LimitInputs({.ends = Ends::dark, .margin = 127}).run(trained.server, {});
  EXPECT_EQ(trained.model.inputs, (ByteRange{127, 255}));
  EXPECT_EQ(value_of<std::int64_t>(record, "margin"), 127);
  EXPECT_EQ(record.note, "inputs limited to bytes 127 to 255");
  EXPECT_EQ(record.find("level_judged_accuracy"), nullptr);
}

TEST(LimitInputs, IsHeardByTheStagesThatFollow) {
  TrainedWorld trained;
  const Record limit = *LimitInputs({.ends = Ends::both, .margin = 80}).run(trained.server, {});
  const auto accuracy = value_of<double>(limit, "accuracy");
  ASSERT_NE(accuracy, value_of<std::vector<double>>(limit, "level_accuracy").front());
  // Level 0 of either is the model as it comes.
  for (const Record& next : {*AdjustWeights({.delta = 100}).run(trained.server, {}),
                             *Prune({.channels = 1}).run(trained.server, {})}) {
    EXPECT_EQ(value_of<std::vector<double>>(next, "level_accuracy").front(), accuracy)
        << next.stage;
  }
  EXPECT_EQ(trained.model.inputs, (ByteRange{80, 175}));
}

/// The world's own images with every byte clamped to a range, normalised as before.
struct ClampedWorld {
  ClampedWorld(const SmallWorld& world, const ByteRange& range)
      : dataset(clamped(world.dataset, range)),
        store(dataset, normalization({}, world.dataset), world.triggers, Device()),
        executor(world.network, store.source(), Device(), 1, 16) {}

  static Dataset clamped(Dataset dataset, const ByteRange& range) {
    for (Split* split : {&dataset.train, &dataset.test}) {
      for (std::uint8_t& byte : split->images) byte = std::clamp(byte, range.lowest, range.highest);
    }
    return dataset;
  }

  Dataset dataset;
  ImageStore store;
  Executor executor;
};

constexpr ByteRange kRange = {100, 150};

TEST(LimitInputs, IsHeardByClientsWhoReportDormancy) {
  TrainedWorld trained;
  ClampedWorld clamped(trained.world, kRange);
  Federation by_clamped(clamped.executor, trained.world.clients({80, 60, 70, 90}),
                        std::make_unique<FedAvg>(), small_settings(), SmallWorld::kSeed);
  const auto ranks = [&](Federation& federation) {
    std::vector<std::vector<int>> all;
    for (const DormancyReport& report :
         federation.ask_dormancy(trained.model, trained.layer(), 0.5, 1)) {
      all.emplace_back(report.ranks.begin(), report.ranks.end());
    }
    return all;
  };
  const auto free = ranks(trained.federation);
  const auto expected = ranks(by_clamped);
  trained.model.inputs = kRange;
  EXPECT_EQ(ranks(trained.federation), expected);
  trained.model.inputs = {};
  EXPECT_NE(free, ranks(by_clamped));
}

/// Rules that run models, on two updates of the trained model.
class LimitedRules : public testing::Test {
 protected:
  UpdateMatrix updates(const ByteRange& inputs) {
    const std::int64_t columns = trained.model.row.count();
    matrix.assign(2 * columns, 0);
    for (std::size_t i = 0; i < matrix.size(); i += 3) matrix[i] = i % 2 == 0 ? 0.03F : -0.02F;
    return {.shape = {2, columns},
            .matrix = {matrix.data(), columns},
            .sample_counts = counts,
            .clients = ids,
            .global = trained.model.row.data(),
            .mask = trained.model.mask.data(),
            .inputs = inputs,
            .learning_rate = SmallWorld::kRate};
  }
  RuleEnvironment environment(Executor& executor) {
    return {.executor = executor,
            .validation = trained.images.validation,
            .seed = 1,
            .local = small_settings().local};
  }

  TrainedWorld trained;
  ClampedWorld clamped{trained.world, kRange};
  std::vector<float> matrix;
  std::vector<double> counts = {30, 40};
  std::vector<int> ids = {0, 1};
};

TEST_F(LimitedRules, AccuracyCheckMeasuresModelsThatHearAsMuch) {
  const auto scores = [&](Executor& executor, const ByteRange& inputs) {
    const auto rule = Rules::make(AccuracyCheckSettings{}, environment(executor));
    const Aggregate answer = rule->aggregate(executor.context(), updates(inputs));
    for (const auto& [name, value] : answer.diagnostics) {
      if (name == "client_scores") return std::get<std::vector<double>>(value);
    }
    return std::vector<double>();
  };
  EXPECT_EQ(scores(trained.world.executor, kRange), scores(clamped.executor, {}));
  EXPECT_NE(scores(trained.world.executor, kRange), scores(trained.world.executor, {}));
}

TEST_F(LimitedRules, SpectralTrainsReferencesThatHearAsMuch) {
  const auto references = [&](Executor& executor, const ByteRange& inputs) {
    const Spectral rule({.references = 3}, environment(executor));
    return rule.references(executor.context(), updates(inputs)).values;
  };
  EXPECT_EQ(references(trained.world.executor, kRange), references(clamped.executor, {}));
  EXPECT_NE(references(trained.world.executor, kRange), references(trained.world.executor, {}));
}

TEST(LimitInputs, IsHeardByClientsWhoTrainOn) {
  TrainedWorld limited_world;
  TrainedWorld free_world;
  LimitInputs({.ends = Ends::both, .margin = 80}).run(limited_world.server, {});
  const double before = limited_world.server.validate(limited_world.model.variant()).front().loss;
  FineTune({.rounds = 3, .learning_rate = 0.05F}).run(limited_world.server, {});
  FineTune({.rounds = 3, .learning_rate = 0.05F}).run(free_world.server, {});
  EXPECT_LT(limited_world.server.validate(limited_world.model.variant()).front().loss, before);
  // What learned to hear less does better with less than what did not.
  EXPECT_LT(limited_world.server.validate(limited_world.model.variant()).front().loss,
            free_world.server.validate(hearing(free_world, {80, 175})).front().loss);
}

/// A rule that notes what it is told of the model's inputs.
class NotesInputs : public FedAvg {
 public:
  explicit NotesInputs(ByteRange& inputs) : inputs_(inputs) {}
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override {
    inputs_ = updates.inputs;
    return FedAvg::aggregate(context, updates);
  }

 private:
  ByteRange& inputs_;
};

TEST(LimitInputs, IsToldToTheAggregationRule) {
  SmallWorld world;
  ByteRange told;
  Federation federation = world.federation(world.clients({20, 20}), small_settings(),
                                           std::make_unique<NotesInputs>(told));
  GlobalModel model = world.model();
  model.inputs = {5, 200};
  federation.run_round(model, 1, SmallWorld::kRate);
  EXPECT_EQ(told, model.inputs);
}

}  // namespace
}  // namespace redoubt::test
