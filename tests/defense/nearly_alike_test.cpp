// Rules where updates differ little, or in few directions: what float and rank leave to see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "defense/rules.h"
#include "tests/defense/plain_rules.h"
#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::HasSubstr;

/// Rows of floats, as doubles that hold the same.
Rows rows_of(std::size_t count, std::int64_t columns,
             const std::function<double(std::size_t row, std::size_t column)>& value) {
  Rows rows(count, Row(static_cast<std::size_t>(columns)));
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      rows[r][c] = static_cast<double>(static_cast<float>(value(r, c)));
    }
  }
  return rows;
}

Aggregate answer_of(AggregationRule& rule, const Rows& rows, Context& context) {
  const std::int64_t columns = std::ssize(rows.front());
  std::vector<float> matrix;
  for (const Row& row : rows) matrix.insert(matrix.end(), row.begin(), row.end());
  std::vector<int> ids(rows.size());
  std::iota(ids.begin(), ids.end(), 0);
  const std::vector<double> counts(rows.size(), 1.0);
  return rule.aggregate(context, {.shape = {static_cast<int>(rows.size()), columns},
                                  .matrix = {matrix.data(), columns},
                                  .sample_counts = counts,
                                  .clients = ids,
                                  .trained_ranges = {{0, columns}},
                                  .trained_tensors = {{0, columns}}});
}

/// Clients who agree on a large step still differ.
TEST(Krum, ChoosesByTheDifferencesOfUpdatesThatHaveMuchInCommon) {
  Context context(Device(), 2);
  Krum rule({.malicious = 2});
  for (const double common : {300.0, 1000.0, 1e5}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      RandomStream stream({.seed = seed});
      std::vector<double> shared(2000);
      for (double& value : shared) value = common * stream.normal();
      const Rows rows =
          rows_of(9, 2000, [&](std::size_t, std::size_t c) { return shared[c] + stream.normal(); });
      const Aggregate answer = answer_of(rule, rows, context);
      const std::size_t choice = krum_choice(rows, 2);
      for (std::size_t r = 0; r < rows.size(); ++r) {
        EXPECT_EQ(answer.row_weights[r], r == choice ? 1 : 0)
            << "seed " << seed << ", common part " << common;
      }
    }
  }
}

/// Nor may an attacker's huge row take the digits of the others' differences.
TEST(Krum, ChoosesByTheDifferencesBesideAHugeRow) {
  Context context(Device(), 2);
  Krum rule({.malicious = 2});
  for (const double huge : {1e4, 1e8, 1e15}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      RandomStream stream({.seed = seed});
      const Rows rows = rows_of(9, 500, [&](std::size_t r, std::size_t) {
        return (r == 4 ? huge : 1) * stream.normal();
      });
      const Aggregate answer = answer_of(rule, rows, context);
      EXPECT_EQ(answer.row_weights[krum_choice(rows, 2)], 1) << "seed " << seed << ", " << huge;
    }
  }
}

TEST(Bulyan, OfTheNegativeUpdatesIsTheNegativeOfItself) {
  Context context(Device(), 1);
  Bulyan rule({.malicious = 1});
  const std::vector<double> values = {0, 1, 2, 5, 7, 8, 10, 11};
  for (const double sign : {1.0, -1.0}) {
    const Rows rows = rows_of(8, 1, [&](std::size_t r, std::size_t) { return sign * values[r]; });
    EXPECT_EQ(answer_of(rule, rows, context).combined.download()[0],
              static_cast<float>(bulyan(rows, 1)[0]));
    EXPECT_EQ(answer_of(rule, rows, context).combined.download()[0], sign * 4.5F);
  }
}

class FoolsGoldTest : public testing::Test {
 protected:
  std::int64_t columns() const { return world.network.layout().row_size(); }
  FoolsGold rule(bool unit_length) {
    return FoolsGold({.features = FoolsGoldSettings::Features::all, .unit_length = unit_length},
                     {.executor = world.executor});
  }
  SmallWorld world;
};

TEST_F(FoolsGoldTest, TellsHistoriesApartThatAreAlikeToAThousandth) {
  for (const double noise : {1e-2, 1e-3, 3e-4}) {
    RandomStream stream({.seed = 7});
    std::vector<double> common(static_cast<std::size_t>(columns()));
    for (double& value : common) value = stream.normal();
    const Rows rows = rows_of(10, columns(), [&](std::size_t r, std::size_t c) {
      return common[c] + noise * (1 + static_cast<double>(r) / 10) * stream.normal();
    });
    FoolsGold own = rule(false);
    const Aggregate answer = answer_of(own, rows, world.executor.context());
    const Row ours = mean_of(rows, answer.row_weights);
    const Row theirs = foolsgold(rows, 0, rows.front().size());
    // Weights that were off by a tenth would move the mean by a tenth of the noise.
    EXPECT_LT(std::sqrt(squared_distance(ours, theirs)), 1e-4 * noise * norm(common)) << noise;
  }
}

/// As the authors' code does: each update by max(1, its length), in history and sum.
TEST_F(FoolsGoldTest, TakesUpdatesOfUnitLengthIfAskedTo) {
  RandomStream stream({.seed = 8});
  Rows rows = rows_of(6, columns(), [&](std::size_t r, std::size_t) {
    return (r == 0 ? 1e-4 : 0.01 * static_cast<double>(r)) * stream.normal();
  });
  ASSERT_LT(norm(rows[0]), 1);
  ASSERT_GT(norm(rows[5]), 1);
  FoolsGold own = rule(true);
  const std::vector<float> combined =
      answer_of(own, rows, world.executor.context()).combined.download();
  for (Row& row : rows) {
    const double scale = 1 / std::max(1.0, norm(row));
    for (double& value : row) value *= scale;
  }
  const Row expected = foolsgold(rows, 0, rows.front().size());
  EXPECT_LT(std::sqrt(squared_distance(Row(combined.begin(), combined.end()), expected)),
            1e-5 * norm(expected));
}

/// Of few clients' large fragments every Mahalanobis distance is the same.
TEST(Ariba, RefusesFragmentsThatSpanEveryDirection) {
  TrainedWorld trained;
  const auto message = [&](const AribaSettings& settings, int participants) {
    return input_error([&] {
      Rules::check(settings,
                   {.participants = participants, .layout = trained.world.network.layout()});
    });
  };
  // conv2 has 8 filters of 54 numbers, 48 kernels of 9.
  const AribaSettings filters = {.suspects = 1,
                                 .fragments = {.kind = FragmentSettings::Kind::filter}};
  EXPECT_THAT(message(filters, 7),
              HasSubstr("conv2.weight into 8 fragments of 54 numbers a client, which of 7 clients "
                        "in a round span at most 48 directions"));
  EXPECT_THAT(message(filters, 7), HasSubstr("It takes 8 clients"));
  EXPECT_NO_THROW(
      Rules::check(filters, {.participants = 8, .layout = trained.world.network.layout()}));
  AribaSettings robust = filters;
  robust.detector = {.kind = DetectorSettings::Kind::robust_covariance, .support = 0.5};
  EXPECT_THAT(message(robust, 14), HasSubstr("It takes 15 clients"));
  AribaSettings neighbours = filters;
  neighbours.detector = {.kind = DetectorSettings::Kind::nearest_neighbours};
  EXPECT_NO_THROW(
      Rules::check(neighbours, {.participants = 3, .layout = trained.world.network.layout()}));
}

TEST(Ariba, FindsAThousandfoldUpdateAmongThreeAndKeepsAllWhereItCannotTell) {
  TrainedWorld trained;
  const std::int64_t columns = trained.model.row.count();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    RandomStream stream({.seed = seed});
    const Rows rows = rows_of(3, columns, [&](std::size_t r, std::size_t) {
      return 1e-3 * (r == seed % 3 ? 1000 : 1) * stream.normal();
    });
    Ariba kernels({.suspects = 1}, {.executor = trained.world.executor});
    EXPECT_EQ(answer_of(kernels, rows, trained.world.executor.context()).removed,
              std::vector<int>{static_cast<int>(seed % 3)})
        << "seed " << seed;
    Ariba filters({.suspects = 1, .fragments = {.kind = FragmentSettings::Kind::filter}},
                  {.executor = trained.world.executor});
    EXPECT_EQ(filters.least_updates(), 8);
    EXPECT_EQ(answer_of(filters, rows, trained.world.executor.context()).removed,
              std::vector<int>());
  }
}

/// A round that lost updates says that the rule's promise went with them.
TEST(Federation, SaysHowManyUpdatesARuleWouldHaveNeeded) {
  SmallWorld world;
  const auto report = [&](int broken) {
    std::vector<Client> clients = world.clients({16, 16, 16, 16, 16, 16});
    for (int i = 0; i < broken; ++i) {
      clients[static_cast<std::size_t>(i)].attack =
          std::make_shared<EditsUpdate>([](UpdateRow& update) { update.values[0] = NAN; });
    }
    Federation federation = world.federation(std::move(clients), small_settings(),
                                             std::make_unique<Krum>(KrumSettings{.malicious = 1}));
    GlobalModel model = world.model();
    return federation.run_round(model, 1, SmallWorld::kRate);
  };
  EXPECT_EQ(report(0).needed_updates, std::nullopt);
  EXPECT_EQ(report(1).needed_updates, std::nullopt);
  EXPECT_EQ(report(2).needed_updates, 5);
  EXPECT_EQ(report(2).rejected, 2);
}

}  // namespace
}  // namespace redoubt::test
