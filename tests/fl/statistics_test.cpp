// Running statistics of batch norm in a round: the server takes the clients' mean of them, nobody
// amplifies them, and a variance is never below 0.
#include <algorithm>
#include <cmath>

#include "fl/attack/flip_sign.h"
#include "fl/attack/little_is_enough.h"
#include "fl/attack/manipulate_inner_product.h"
#include "fl/attack/model_replacement.h"
#include "tests/fl/small_world.h"

namespace redoubt::test {
namespace {

/// The tiny images under a model that normalises.
struct NormalizingWorld {
  SmallWorld world;
  Network network{
      SmallWorld::kShape, 10,
      std::vector<LayerSpec>{Conv::Settings{.channels = 6, .kernel = 3, .bias = 0},
                             BatchNorm::Settings(), Relu::Settings(),
                             MaxPool::Settings{.window = 2}, Dense::Settings{.units = 10}}};
  Executor executor{network, world.store.source(), Device(), 1, 16};

  GlobalModel model() const {
    std::vector<float> row(static_cast<std::size_t>(network.layout().row_size()));
    initialize(network.layout(), Initialization::uniform_fan_in, 11, row);
    return GlobalModel(network, row, Device());
  }

  /// The model after a round of four clients, of whom the second has this attack.
  std::vector<float> after_round(FederationSettings settings, std::shared_ptr<Attack> attack = {},
                                 RoundReport* report = nullptr) {
    std::vector<Client> clients = world.clients({32, 32, 32, 32});
    clients[1].attack = std::move(attack);
    Federation federation(executor, std::move(clients), std::make_unique<FedAvg>(), settings,
                          SmallWorld::kSeed);
    GlobalModel model = this->model();
    const RoundReport own = federation.run_round(model, 1, SmallWorld::kRate);
    if (report != nullptr) *report = own;
    return model.row.download();
  }

  /// Calls see(column, whether it is a statistic) for every number of the model.
  template <class See>
  void for_each_number(const See& see) const {
    for (const ParameterSpan& span : network.layout().spans()) {
      for (std::int64_t i = 0; i < span.size; ++i) {
        see(static_cast<std::size_t>(span.offset + i), span.role == ParameterSpan::Role::statistic);
      }
    }
  }
};

TEST(RunningStatistics, AreTheClientsMeanWhateverTheServersLearningRate) {
  NormalizingWorld own;
  const std::vector<float> start = own.model().row.download();
  FederationSettings settings = small_settings();
  const std::vector<float> once = own.after_round(settings);
  settings.server_lr = 2;
  const std::vector<float> twice = own.after_round(settings);
  int statistics = 0;
  own.for_each_number([&](std::size_t i, bool statistic) {
    if (statistic) {
      ++statistics;
      EXPECT_EQ(twice[i], once[i]) << "column " << i;
      EXPECT_NE(once[i], start[i]) << "training moves it";
    } else {
      EXPECT_NEAR(twice[i] - start[i], 2 * (once[i] - start[i]), 1e-5) << "column " << i;
    }
  });
  EXPECT_EQ(statistics, 12);
}

TEST(RunningStatistics, AreSentAsTheyAreByWhoAmplifiesTheRest) {
  NormalizingWorld own;
  const FederationSettings settings = small_settings();
  const std::vector<float> honest = own.after_round(settings);
  const std::vector<std::shared_ptr<Attack>> attacks = {
      std::make_shared<ModelReplacement>(ModelReplacementSettings{.scale = 20}),
      std::make_shared<FlipSign>(SignFlipSettings{.factor = 20}),
      std::make_shared<LittleIsEnough>(LittleIsEnoughSettings{.shift = 20, .omniscient = true}),
      std::make_shared<ManipulateInnerProduct>(
          InnerProductSettings{.epsilon = 20, .omniscient = true})};
  for (const auto& attack : attacks) {
    const std::vector<float> attacked = own.after_round(settings, attack);
    double moved = 0;
    own.for_each_number([&](std::size_t i, bool statistic) {
      if (statistic) {
        EXPECT_EQ(attacked[i], honest[i]) << "column " << i;
      } else {
        moved = std::max(moved, static_cast<double>(std::abs(attacked[i] - honest[i])));
      }
    });
    EXPECT_GT(moved, 1e-3) << "the attack acts";
  }
}

/// As published code does that treats a model as one list of numbers.
TEST(RunningStatistics, AreAmplifiedWhereTheAttackSaysSoAndVariancesRaisedToZero) {
  NormalizingWorld own;
  const FederationSettings settings = small_settings();
  const std::vector<float> start = own.model().row.download();
  const std::vector<float> honest = own.after_round(settings);
  const auto amplify = [&](double scale, RoundReport& report) {
    return own.after_round(
        settings,
        std::make_shared<ModelReplacement>(
            ModelReplacementSettings{.scale = scale},
            AttackEnvironment{.network = own.network, .amplify_statistics = true}),
        &report);
  };
  RoundReport report;
  const std::vector<float> twice = amplify(2, report);
  EXPECT_EQ(report.raised_statistics, 0);
  int moved = 0;
  own.for_each_number([&](std::size_t i, bool statistic) {
    if (statistic && std::abs(twice[i] - honest[i]) > 1e-4) ++moved;
  });
  EXPECT_GT(moved, 6);

  const std::vector<float> wild = amplify(1000, report);
  const ParameterSpan& variance = *own.network.layout().find("bn1.running_var");
  int zeros = 0;
  for (std::int64_t i = 0; i < variance.size; ++i) {
    const auto at = static_cast<std::size_t>(variance.offset + i);
    EXPECT_GE(wild[at], 0);
    zeros += wild[at] == 0 ? 1 : 0;
    // The attacker's variance fell from 1, so that a thousandfold falls far below 0.
    EXPECT_EQ(wild[at] == 0, honest[at] < start[at]) << "channel " << i;
  }
  EXPECT_GT(zeros, 0);
  EXPECT_EQ(report.raised_statistics, zeros);
}

/// What a rule or an attack of a user's sends is bounded, too.
TEST(RunningStatistics, OfAModelAreNeverVariancesBelowZero) {
  NormalizingWorld own;
  const ParameterSpan& variance = *own.network.layout().find("bn1.running_var");
  RoundReport report;
  const std::vector<float> after =
      own.after_round(small_settings(), std::make_shared<EditsUpdate>([&](UpdateRow& update) {
                        for (std::int64_t i = 0; i < 3; ++i)
                          update.values[variance.offset + i] = -50;
                      }),
                      &report);
  EXPECT_EQ(report.raised_statistics, 3);
  for (std::int64_t i = 0; i < variance.size; ++i) {
    const float value = after[static_cast<std::size_t>(variance.offset + i)];
    EXPECT_EQ(value == 0, i < 3) << value;
  }
}

}  // namespace
}  // namespace redoubt::test
