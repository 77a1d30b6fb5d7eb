// Plain poisoning and coalitions of attackers: what each sends, against plain loops.
#include "fl/attack/untargeted.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"
#include "fl/attack/campaign.h"
#include "tests/fl/sent_updates.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using testing::HasSubstr;

TEST(FlipLabels, ChangesTheVictimOrMirrorsEveryLabel) {
  const std::vector<Sample> own = {{.image = 1, .label = 9}, {.image = 2, .label = 4}};
  std::vector<Sample> one = own;
  SmallWorld world;
  const AttackEnvironment environment = {.network = world.network};
  FlipLabels({.victim = 9, .target = 1}, environment).edit_samples({}, one);
  EXPECT_EQ(one, (std::vector<Sample>{{.image = 1, .label = 1}, {.image = 2, .label = 4}}));
  std::vector<Sample> all = own;
  FlipLabels({}, environment).edit_samples({}, all);
  EXPECT_EQ(all, (std::vector<Sample>{{.image = 1, .label = 0}, {.image = 2, .label = 5}}));
}

TEST(FlipSign, SendsTheOppositeTimesTheFactor) {
  SmallWorld world;
  const Rows honest = sent_updates(world, world.clients({30, 30}));
  const Rows rows = sent_updates(world, with_attacker<FlipSign>(world, {30, 30}, {2.5}));
  for (std::size_t i = 0; i < rows[1].size(); ++i) EXPECT_EQ(rows[1][i], -2.5F * honest[1][i]);
}

TEST(SendNoise, IsGaussianAndNewForEachClientAndRound) {
  SmallWorld world;
  const auto noise = [&](int client, int round) {
    std::vector<float> values(20000, 7.0F);
    UpdateRow update = {world.executor.context(), values.data(), std::ssize(values)};
    SendNoise({.deviation = 0.5}, {.network = world.network, .seed = 3})
        .edit_update({.client = client, .round = round}, update);
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
Conspiracy conspire(Attack& coalition, const std::vector<int>& attackers, int broken = -1) {
  constexpr int kRows = 7;
  constexpr std::int64_t kColumns = 40;
  std::vector<float> matrix(kRows * kColumns);
  RandomStream stream({.seed = 8});
  for (float& value : matrix) value = static_cast<float>(stream.normal());
  if (broken >= 0) matrix[broken * kColumns + 3] = NAN;
  const auto rows = [&] {
    Rows all;
    for (int r = 0; r < kRows; ++r) {
      all.emplace_back(matrix.begin() + r * kColumns, matrix.begin() + (r + 1) * kColumns);
    }
    return all;
  };
  Conspiracy result = {.before = rows(), .after = {}};
  Context context(Device(), 2);
  const std::vector<int> ids = {0, 1, 2, 3, 4, 5, 6};
  coalition.edit_updates({.context = context,
                          .shape = {kRows, kColumns},
                          .matrix = {matrix.data(), kColumns},
                          .clients = ids,
                          .attackers = attackers});
  result.after = rows();
  return result;
}

TEST(LittleIsEnough, SendsTheMeanLessDeviationsOfWhomItKnows) {
  for (const bool omniscient : {false, true}) {
    const std::vector<int> attackers = {1, 4, 5};
    const double z = 0.7;
    LittleIsEnough little({.shift = z, .omniscient = omniscient});
    const Conspiracy seen = conspire(little, attackers);
    for (std::size_t c = 0; c < seen.before[0].size(); ++c) {
      std::vector<double> known;
      for (int r = 0; r < 7; ++r) {
        const bool attacks = std::find(attackers.begin(), attackers.end(), r) != attackers.end();
        if (attacks != omniscient) {
          known.push_back(static_cast<double>(seen.before[r][c]));
        }
      }
      const double mean =
          std::accumulate(known.begin(), known.end(), 0.0) / static_cast<double>(known.size());
      double squares = 0;
      for (const double x : known) squares += (x - mean) * (x - mean);
      const double expected = mean - z * std::sqrt(squares / static_cast<double>(known.size()));
      for (const int r : attackers) {
        EXPECT_NEAR(seen.after[r][c], expected, 1e-6);
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
    ManipulateInnerProduct product({.epsilon = 2, .omniscient = omniscient});
    const Conspiracy seen = conspire(product, attackers);
    for (std::size_t c = 0; c < seen.before[0].size(); ++c) {
      double sum = 0;
      double count = 0;
      for (int r = 0; r < 7; ++r) {
        if ((r == 0 || r == 6) == omniscient) continue;
        sum += static_cast<double>(seen.before[r][c]);
        count += 1;
      }
      for (const std::size_t r : {0, 6}) EXPECT_NEAR(seen.after[r][c], -2 * sum / count, 1e-6);
    }
  }
}

TEST(Coalition, LearnsNothingFromAnUpdateThatIsNotFinite) {
  const std::vector<int> attackers = {0, 3, 6};
  for (const bool omniscient : {false, true}) {
    LittleIsEnough little({.shift = 0.7, .omniscient = omniscient});
    ManipulateInnerProduct product({.epsilon = 2, .omniscient = omniscient});
    for (const int broken : {2, 3}) {
      // One whom they know, or one whom they do not look at.
      const bool known = (broken == 2) == omniscient;
      for (Attack* coalition : {static_cast<Attack*>(&little), static_cast<Attack*>(&product)}) {
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
  LittleIsEnough little({.shift = 0.7, .omniscient = true});
  ManipulateInnerProduct product({.epsilon = 2, .omniscient = true});
  for (Attack* coalition : {static_cast<Attack*>(&little), static_cast<Attack*>(&product)}) {
    const Conspiracy seen = conspire(*coalition, everyone);
    EXPECT_EQ(seen.after, seen.before);
  }
}

TEST(Coalition, ActsOnceOnTheWholeRoundInItsRoundsOnly) {
  SmallWorld world;
  AttackSettings settings;
  settings.clients = std::vector<int>{0, 2};
  settings.from_round = 2;
  settings.untargeted = InnerProductSettings{.epsilon = 3, .omniscient = true};
  std::vector<Client> clients = world.clients({30, 30, 30, 30});
  const Rows honest = sent_updates(world, clients, 2);
  corrupt(clients,
          std::make_shared<Campaign>(settings, AttackedPopulation{.clients = 4, .seed = 1},
                                     std::nullopt, AttackEnvironment{.network = world.network}));
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

}  // namespace
}  // namespace redoubt::test
