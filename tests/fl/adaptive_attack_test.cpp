// Attackers who know the defense, and plain poisoning: what each sends, against plain loops.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "fl/attack/adaptive.h"
#include "fl/attack/attack.h"
#include "fl/attack/untargeted.h"
#include "tests/fl/small_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using testing::ElementsAre;
using testing::HasSubstr;

using Rows = std::vector<std::vector<float>>;

/// Every client's update of one round, as it is sent.
Rows sent_updates(SmallWorld& world, std::vector<Client> population, int round = 1,
                  FederationSettings settings = small_settings()) {
  // A rule that keeps what it sees.
  class Keep : public AggregationRule {
   public:
    explicit Keep(Rows& rows) : rows_(rows) {}
    Aggregate aggregate(Context& /*context*/, const ClientUpdates& updates) override {
      for (int r = 0; r < updates.shape.rows; ++r) {
        rows_.emplace_back(updates.matrix[r], updates.matrix[r] + updates.shape.columns);
      }
      return {.row_weights = std::vector<double>(updates.clients.size(), 1.0)};
    }

   private:
    Rows& rows_;
  };
  Rows rows;
  Federation federation =
      world.federation(std::move(population), settings, std::make_unique<Keep>(rows));
  GlobalModel model = world.model();
  federation.run_round(model, round, SmallWorld::kRate);
  return rows;
}

double length(const std::vector<float>& row) {
  double sum = 0;
  for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    dot += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return dot / (length(a) * length(b));
}

template <class B, class... Arguments>
std::vector<Client> with_attacker(SmallWorld& world, const std::vector<int>& sizes,
                                  Arguments&&... arguments) {
  std::vector<Client> clients = world.clients(sizes);
  clients[1].behaviours = {
      std::make_shared<B>(RoundWindow(), std::forward<Arguments>(arguments)...)};
  return clients;
}

TEST(OwnTraining, ReplacesWhatItNamesAndLeavesTheRest) {
  LocalTraining training = {.epochs = 2, .batch = 64, .optimizer = {.learning_rate = 0.1F}};
  OwnTraining({}, {.epochs = 6, .batch = {}, .learning_rate = 0.05F}).edit_training({}, training);
  EXPECT_EQ(training.epochs, 6);
  EXPECT_EQ(training.batch, 64);
  EXPECT_EQ(training.optimizer.learning_rate, 0.05F);
  OwnTraining({}, {.epochs = {}, .batch = 20, .learning_rate = {}}).edit_training({}, training);
  EXPECT_EQ(training.batch, 20);
  EXPECT_EQ(training.epochs, 6);
}

TEST(Evade, KeepsTheAttackersModelNearTheGlobalOneAndTouchesNobodyElse) {
  SmallWorld world;
  const Rows honest = sent_updates(world, world.clients({60, 60, 60}));
  double last = length(honest[1]);
  for (const double rho : {0.3, 0.8, 1.0}) {
    const Rows rows = sent_updates(
        world, with_attacker<Evade>(world, {60, 60, 60},
                                    EvasionSettings{EvasionSettings::Metric::l2, rho}));
    EXPECT_EQ(rows[0], honest[0]);
    EXPECT_EQ(rows[2], honest[2]);
    EXPECT_LT(length(rows[1]), last) << rho;
    last = length(rows[1]);
  }
  EXPECT_EQ(last, 0) << "with all weight on the distance nothing is learnt";
}

TEST(Evade, TurnsTheUpdateTowardsTheLastGlobalStep) {
  for (const bool resumed : {false, true}) {
    SmallWorld world;
    const auto second_update = [&](double rho) {
      const EvasionSettings settings = {EvasionSettings::Metric::cosine, rho};
      std::vector<Client> clients = with_attacker<Evade>(world, {60, 60, 60}, settings);
      std::vector<float> sent;
      clients[1].behaviours.push_back(std::make_shared<EditsUpdate>(
          [&](UpdateRow& update) { sent.assign(update.values, update.values + update.size); }));
      Federation federation = world.federation(clients, small_settings());
      GlobalModel model = world.model();
      std::vector<float> step = model.row.download();
      federation.run_round(model, 1, SmallWorld::kRate);
      const std::vector<float> after = model.row.download();
      for (std::size_t i = 0; i < step.size(); ++i) step[i] = after[i] - step[i];
      // What a checkpoint holds is enough to go on.
      Federation other = world.federation(clients, small_settings());
      other.restore(federation.state());
      (resumed ? other : federation).run_round(model, 2, SmallWorld::kRate);
      return cosine(sent, step);
    };
    const double plain = second_update(0);
    EXPECT_GT(second_update(0.9), plain + 0.05);
  }
}

TEST(ProjectUpdate, ShortensLongUpdatesOnly) {
  SmallWorld world;
  std::vector<float> values = {3, 0, -4};
  UpdateRow update = {world.executor.context(), values.data(), 3};
  ProjectUpdate({}, 5.5).edit_update({}, update);
  EXPECT_THAT(values, ElementsAre(3, 0, -4));
  ProjectUpdate({}, 2.5).edit_update({}, update);
  EXPECT_THAT(values, ElementsAre(1.5F, 0, -2));
}

TEST(ClipOwnWeights, LeavesNoWeightBeyondItsDeviations) {
  SmallWorld world;
  const double delta = 1.2;
  const Rows rows = sent_updates(
      world, with_attacker<ClipOwnWeights>(world, {60, 60}, SelfClipSettings{"last", delta}));
  const std::vector<float> global = world.model().row.download();
  const ParameterSpan& weight = *world.network.layout().find("conv2.weight");
  const auto farthest = [&](const std::vector<float>& update) {
    std::vector<double> own;
    for (std::int64_t i = weight.offset; i < weight.offset + weight.size; ++i) {
      own.push_back(static_cast<double>(global[static_cast<std::size_t>(i)]) +
                    static_cast<double>(update[static_cast<std::size_t>(i)]));
    }
    const double mean =
        std::accumulate(own.begin(), own.end(), 0.0) / static_cast<double>(own.size());
    double squares = 0;
    double far = 0;
    for (const double w : own) {
      squares += (w - mean) * (w - mean);
      far = std::max(far, std::abs(w - mean));
    }
    return far / std::sqrt(squares / static_cast<double>(own.size()));
  };
  EXPECT_GT(farthest(rows[0]), 1.6);
  // Clamping shrinks the deviation that it is measured by.
  EXPECT_LT(farthest(rows[1]), 1.4);
}

TEST(TrainUnderMask, MovesNoWeightOfTheChannelsThatItExpectsToBePruned) {
  SmallWorld world;
  const Rows rows = sent_updates(
      world, with_attacker<TrainUnderMask>(world, {60, 60, 60}, PruningAwareSettings{"last", 0.5}));
  const Rows honest = sent_updates(world, world.clients({60, 60, 60}));
  EXPECT_EQ(rows[0], honest[0]);
  EXPECT_EQ(rows[2], honest[2]);
  const ParameterSpan& weight = *world.network.layout().find("conv2.weight");
  const std::int64_t per_channel = weight.size / 8;
  int still = 0;
  for (int c = 0; c < 8; ++c) {
    const auto first = rows[1].begin() + weight.offset + c * per_channel;
    still += std::all_of(first, first + per_channel, [](float x) { return x == 0; }) ? 1 : 0;
  }
  EXPECT_EQ(still, 4) << "half of eight channels";
}

TEST(ProtectChannels, RanksLastWhatItsPoisonedImagesRouse) {
  SmallWorld world;
  std::vector<Client> clients = world.clients({50, 50, 50});
  std::vector<Sample> poisoned;
  for (Sample sample : clients[1].samples) {
    sample.trigger = static_cast<std::int16_t>(world.trigger);
    poisoned.push_back(sample);
  }
  clients[1].behaviours = {std::make_shared<ProtectChannels>(RoundWindow(), poisoned)};
  Federation federation = world.federation(clients, small_settings());
  const GlobalModel model = world.model();
  const ChannelSpan& layer = world.network.layout().conv_channels("last");
  const auto reports = federation.ask_dormancy(model, layer, 0.5, 1);

  const std::vector<std::span<const Sample>> lists = {clients[1].samples, poisoned};
  const auto records =
      world.executor.record_activations(model.row.data(), model.mask.data(), lists);
  std::vector<double> roused;
  for (int c = 0; c < layer.channels; ++c) {
    const auto at = static_cast<std::size_t>(layer.offset + c);
    roused.push_back(records[1][at] - records[0][at]);
  }
  EXPECT_EQ(reports[1].ranks, ascending_ranks(roused));
  EXPECT_EQ(std::accumulate(reports[1].votes.begin(), reports[1].votes.end(), 0), 4);
  for (std::size_t c = 0; c < reports[1].votes.size(); ++c) {
    EXPECT_EQ(reports[1].votes[c], reports[1].ranks[c] < 4 ? 1 : 0);
  }
}

// ---- plain poisoning
// --------------------------------------------------------------------------------

TEST(FlipLabels, ChangesTheVictimOrMirrorsEveryLabel) {
  const std::vector<Sample> own = {{.image = 1, .label = 9}, {.image = 2, .label = 4}};
  std::vector<Sample> one = own;
  FlipLabels({}, {.victim = 9, .target = 1}, 10).edit_samples({}, one);
  EXPECT_EQ(one, (std::vector<Sample>{{.image = 1, .label = 1}, {.image = 2, .label = 4}}));
  std::vector<Sample> all = own;
  FlipLabels({}, {}, 10).edit_samples({}, all);
  EXPECT_EQ(all, (std::vector<Sample>{{.image = 1, .label = 0}, {.image = 2, .label = 5}}));
}

TEST(FlipSign, SendsTheOppositeTimesTheFactor) {
  SmallWorld world;
  const Rows honest = sent_updates(world, world.clients({30, 30}));
  const Rows rows =
      sent_updates(world, with_attacker<FlipSign>(world, {30, 30}, SignFlipSettings{2.5}));
  for (std::size_t i = 0; i < rows[1].size(); ++i) EXPECT_EQ(rows[1][i], -2.5F * honest[1][i]);
}

TEST(SendNoise, IsGaussianAndNewForEachClientAndRound) {
  SmallWorld world;
  const auto noise = [&](int client, int round) {
    std::vector<float> values(20000, 7.0F);
    UpdateRow update = {world.executor.context(), values.data(), std::ssize(values)};
    SendNoise({}, {.deviation = 0.5}, 3).edit_update({.client = client, .round = round}, update);
    return values;
  };
  const std::vector<float> values = noise(1, 1);
  EXPECT_EQ(values, noise(1, 1));
  EXPECT_NE(values, noise(2, 1));
  EXPECT_NE(values, noise(1, 2));
  EXPECT_NEAR(length(values) / std::sqrt(20000), 0.5, 4 * 0.5 / std::sqrt(2 * 20000));
}

/// The rows that a coalition leaves, beside those it found.
struct Conspiracy {
  Rows before;
  Rows after;
};

/// `broken`: a row that is not finite.
Conspiracy conspire(const Coalition& coalition, const std::vector<int>& attackers,
                    int broken = -1) {
  constexpr int kRows = 7;
  constexpr std::int64_t kColumns = 40;
  std::vector<float> matrix(kRows * kColumns);
  RandomStream stream({.seed = 8});
  for (float& value : matrix) value = static_cast<float>(stream.normal());
  if (broken >= 0) matrix[static_cast<std::size_t>(broken * kColumns + 3)] = NAN;
  const auto rows = [&] {
    Rows all;
    for (int r = 0; r < kRows; ++r) {
      all.emplace_back(matrix.begin() + r * kColumns, matrix.begin() + (r + 1) * kColumns);
    }
    return all;
  };
  Conspiracy result = {.before = rows(), .after = {}};
  Context context(Device(), 2);
  coalition.edit_updates(
      context,
      {.shape = {kRows, kColumns}, .matrix = {matrix.data(), kColumns}, .attackers = attackers});
  result.after = rows();
  return result;
}

TEST(LittleIsEnough, SendsTheMeanLessDeviationsOfWhomItKnows) {
  for (const bool omniscient : {false, true}) {
    const std::vector<int> attackers = {1, 4, 5};
    const double z = 0.7;
    const Conspiracy seen =
        conspire(LittleIsEnough({.shift = z, .omniscient = omniscient}), attackers);
    for (std::size_t c = 0; c < seen.before[0].size(); ++c) {
      std::vector<double> known;
      for (int r = 0; r < 7; ++r) {
        const bool attacks = std::find(attackers.begin(), attackers.end(), r) != attackers.end();
        if (attacks != omniscient) {
          known.push_back(static_cast<double>(seen.before[static_cast<std::size_t>(r)][c]));
        }
      }
      const double mean =
          std::accumulate(known.begin(), known.end(), 0.0) / static_cast<double>(known.size());
      double squares = 0;
      for (const double x : known) squares += (x - mean) * (x - mean);
      const double expected = mean - z * std::sqrt(squares / static_cast<double>(known.size()));
      for (const int r : attackers) {
        EXPECT_NEAR(seen.after[static_cast<std::size_t>(r)][c], expected, 1e-6);
      }
    }
    for (const std::size_t r : {0, 2, 3, 6}) EXPECT_EQ(seen.after[r], seen.before[r]);
  }
}

/// Baruch et al. 2019, section 3.1: n = 50, m = 24 gives s = 2, so Φ(z) = 24/26.
TEST(LittleIsEnough, ShiftsAsFarAsItsAuthorsCompute) {
  EXPECT_NEAR(largest_hidden_shift(50, 24), 1.4261, 1e-4);
  EXPECT_EQ(largest_hidden_shift(5, 5), 0);
}

TEST(ManipulateInnerProduct, SendsTheNegativeMean) {
  for (const bool omniscient : {false, true}) {
    const std::vector<int> attackers = {0, 6};
    const Conspiracy seen =
        conspire(ManipulateInnerProduct({.epsilon = 2, .omniscient = omniscient}), attackers);
    for (std::size_t c = 0; c < seen.before[0].size(); ++c) {
      double sum = 0;
      double count = 0;
      for (int r = 0; r < 7; ++r) {
        if ((r == 0 || r == 6) == omniscient) continue;
        sum += static_cast<double>(seen.before[static_cast<std::size_t>(r)][c]);
        count += 1;
      }
      for (const std::size_t r : {0, 6}) EXPECT_NEAR(seen.after[r][c], -2 * sum / count, 1e-6);
    }
  }
}

TEST(Coalition, LearnsNothingFromAnUpdateThatIsNotFinite) {
  const std::vector<int> attackers = {0, 3, 6};
  for (const bool omniscient : {false, true}) {
    const LittleIsEnough little({.shift = 0.7, .omniscient = omniscient});
    const ManipulateInnerProduct product({.epsilon = 2, .omniscient = omniscient});
    for (const int broken : {2, 3}) {
      // One whom they know, or one whom they do not look at.
      const bool known = (broken == 2) == omniscient;
      for (const Coalition* coalition :
           {static_cast<const Coalition*>(&little), static_cast<const Coalition*>(&product)}) {
        const Rows after = conspire(*coalition, attackers, broken).after;
        for (const float value : after[0]) ASSERT_TRUE(std::isfinite(value));
        EXPECT_EQ(after[0], after[3]);
        EXPECT_EQ(after[0], after[6]);
        const Rows whole = conspire(*coalition, attackers).after;
        if (!known) {
          EXPECT_EQ(after[0], whole[0]);
        }
      }
    }
  }
}

TEST(Coalition, ThatKnowsNobodySendsWhatItsMembersLearnt) {
  const std::vector<int> everyone = {0, 1, 2, 3, 4, 5, 6};
  const LittleIsEnough little({.shift = 0.7, .omniscient = true});
  const ManipulateInnerProduct product({.epsilon = 2, .omniscient = true});
  for (const Coalition* coalition :
       {static_cast<const Coalition*>(&little), static_cast<const Coalition*>(&product)}) {
    const Conspiracy seen = conspire(*coalition, everyone);
    EXPECT_EQ(seen.after, seen.before);
  }
}

TEST(Coalition, ActsOnceOnTheWholeRoundInItsRoundsOnly) {
  SmallWorld world;
  AttackSettings settings;
  settings.clients = std::vector<int>{0, 2};
  settings.from_round = 2;
  settings.replacement.scale = 1;
  settings.untargeted = InnerProductSettings{.epsilon = 3, .omniscient = true};
  std::vector<Client> clients = world.clients({30, 30, 30, 30});
  const Rows honest = sent_updates(world, clients, 2);
  corrupt(clients, settings, {.seed = 1, .classes = 10, .backdoor = {}});
  EXPECT_EQ(sent_updates(world, clients, 1),
            sent_updates(world, world.clients({30, 30, 30, 30}), 1));
  const Rows rows = sent_updates(world, clients, 2);
  EXPECT_EQ(rows[0], rows[2]);
  EXPECT_EQ(rows[1], honest[1]);
  for (std::size_t i = 0; i < rows[0].size(); ++i) {
    EXPECT_NEAR(rows[0][i],
                -1.5 * (static_cast<double>(honest[1][i]) + static_cast<double>(honest[3][i])),
                1e-6);
  }
  FederationSettings in_waves = small_settings();
  in_waves.wave = 2;
  EXPECT_THAT(input_error([&] { world.federation(clients, in_waves); }),
              HasSubstr("attackers who act together need all 4 updates"));
}

TEST(DrawnAttackers, AreAsManyInEachRoundAndOthersInMost) {
  SmallWorld world;
  AttackSettings settings;
  settings.clients = 2;
  settings.redraw = true;
  settings.untargeted = SignFlipSettings{.factor = 1};
  const std::vector<int> sizes(8, 12);
  std::vector<Client> clients = world.clients(sizes);
  corrupt(clients, settings, {.seed = 4, .classes = 10, .backdoor = {}});
  std::vector<std::vector<int>> drawn;
  for (int round = 1; round <= 6; ++round) {
    const Rows honest = sent_updates(world, world.clients(sizes), round);
    const Rows rows = sent_updates(world, clients, round);
    std::vector<int> attackers;
    for (int k = 0; k < 8; ++k) {
      if (rows[static_cast<std::size_t>(k)] != honest[static_cast<std::size_t>(k)]) {
        attackers.push_back(k);
      }
    }
    EXPECT_EQ(attackers, choose_attackers(settings, 8, 4, round));
    EXPECT_EQ(attackers.size(), 2U);
    drawn.push_back(attackers);
  }
  std::sort(drawn.begin(), drawn.end());
  EXPECT_GT(std::unique(drawn.begin(), drawn.end()) - drawn.begin(), 3);
}

TEST(AttackSettings, ThatContradictOneAnotherNameBothKeys) {
  const auto message = [](const std::function<void(AttackSettings&)>& edit) {
    AttackSettings settings;
    edit(settings);
    return input_error([&] { check_attack_settings(settings, AttackSettings()); });
  };
  EXPECT_THAT(message([](AttackSettings& s) {
                s.untargeted = SignFlipSettings();
                s.trigger = TargetedTriggerSettings();
              }),
              HasSubstr("attack.untargeted and attack.trigger contradict"));
  EXPECT_THAT(message([](AttackSettings& s) {
                s.untargeted = LittleIsEnoughSettings();
                s.replacement.scale = 3;
              }),
              HasSubstr("attack.untargeted and attack.scale contradict"));
  EXPECT_THAT(message([](AttackSettings& s) {
                s.redraw = true;
                s.clients = std::vector<int>{1};
              }),
              HasSubstr("attack.redraw"));
}

}  // namespace
}  // namespace redoubt::test
