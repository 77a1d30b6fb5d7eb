// ARIBA: fragments, detectors and marks, against plain loops and by hand.
#include "defense/ariba.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::ElementsAre;

/// Fragments of random numbers; those that `wild` lists are far out.
Fragments random_fragments(int clients, std::int64_t per_client, int size, std::uint64_t seed,
                           const std::vector<std::int64_t>& wild = {}) {
  Fragments fragments = {.clients = clients, .per_client = per_client, .size = size, .values = {}};
  fragments.values.resize(fragments.count() * size);
  RandomStream stream({.seed = seed});
  for (std::int64_t f = 0; f < fragments.count(); ++f) {
    const double common = stream.normal();
    const bool far = std::find(wild.begin(), wild.end(), f) != wild.end();
    for (int c = 0; c < size; ++c) {
      // Correlated components of different deviations, away from 0.
      const double value = 0.3 + (1 + c) * (0.8 * common + 0.6 * stream.normal());
      fragments.component(c)[f] =
          static_cast<float>(far ? 8 * (c % 2 == 0 ? 1 + c : -1 - c) : value);
    }
  }
  return fragments;
}

/// (x - μ)ᵀ Σ⁻¹ (x - μ) by Gaussian elimination, of the covariance of all fragments.
std::vector<double> plain_mahalanobis(const Fragments& fragments) {
  const auto n = static_cast<std::size_t>(fragments.size);
  const auto count = static_cast<std::size_t>(fragments.count());
  const auto at = [&](std::size_t f, std::size_t c) {
    return static_cast<double>(fragments.component(static_cast<int>(c))[f]);
  };
  std::vector<double> mean(n);
  for (std::size_t f = 0; f < count; ++f) {
    for (std::size_t c = 0; c < n; ++c) mean[c] += at(f, c) / static_cast<double>(count);
  }
  std::vector<std::vector<double>> covariance(n, std::vector<double>(n));
  for (std::size_t f = 0; f < count; ++f) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        covariance[i][j] +=
            (at(f, i) - mean[i]) * (at(f, j) - mean[j]) / static_cast<double>(count);
      }
    }
  }
  std::vector<double> distances;
  for (std::size_t f = 0; f < count; ++f) {
    auto matrix = covariance;
    std::vector<double> difference(n);
    for (std::size_t c = 0; c < n; ++c) difference[c] = at(f, c) - mean[c];
    std::vector<double> solution = difference;
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t i = k + 1; i < n; ++i) {
        const double factor = matrix[i][k] / matrix[k][k];
        for (std::size_t j = k; j < n; ++j) matrix[i][j] -= factor * matrix[k][j];
        solution[i] -= factor * solution[k];
      }
    }
    for (std::size_t k = n; k-- > 0;) {
      for (std::size_t j = k + 1; j < n; ++j) solution[k] -= matrix[k][j] * solution[j];
      solution[k] /= matrix[k][k];
    }
    distances.push_back(
        std::inner_product(difference.begin(), difference.end(), solution.begin(), 0.0));
  }
  return distances;
}

TEST(Mahalanobis, IsThatOfPlainLoopsWhateverTheThreads) {
  for (const auto& [clients, per_client, size] :
       {std::tuple{3, std::int64_t{7}, 1}, {5, std::int64_t{40}, 9}, {4, std::int64_t{900}, 25}}) {
    const Fragments fragments = random_fragments(clients, per_client, size, 1);
    const auto detector = make_detector({});
    const std::vector<double> scores = detector->score(fragments, 1);
    EXPECT_EQ(scores, detector->score(fragments, 2));
    const std::vector<double> expected = plain_mahalanobis(fragments);
    ASSERT_EQ(scores.size(), expected.size());
    for (std::size_t f = 0; f < scores.size(); ++f) {
      ASSERT_NEAR(scores[f], expected[f], 1e-9 * (1 + expected[f])) << size << ", fragment " << f;
    }
  }
}

TEST(Mahalanobis, LeavesOutDirectionsWithoutExtent) {
  // The third component is the sum of the others: the distance is that of the first two.
  Fragments pair = random_fragments(4, 50, 2, 2);
  Fragments dependent = {.clients = 4, .per_client = 50, .size = 3, .values = pair.values};
  for (std::int64_t f = 0; f < pair.count(); ++f) {
    // Rounded so that the sum is exact.
    for (int c = 0; c < 2; ++c) {
      const float rounded = std::round(64 * pair.component(c)[f]) / 64;
      pair.component(c)[f] = rounded;
      dependent.values[c * pair.count() + f] = rounded;
    }
    dependent.values.push_back(pair.component(0)[f] + pair.component(1)[f]);
  }
  const Covariance covariance(dependent, {}, 1);
  EXPECT_EQ(covariance.rank(), 2);
  const std::vector<double> expected = plain_mahalanobis(pair);
  const std::vector<double> distances = covariance.squared_distances(dependent, 1);
  for (std::size_t f = 0; f < expected.size(); ++f) EXPECT_NEAR(distances[f], expected[f], 1e-8);
}

TEST(Mahalanobis, IsZeroWhereAllFragmentsAreEqual) {
  Fragments fragments = {.clients = 3, .per_client = 4, .size = 9, .values = {}};
  fragments.values.assign(fragments.count() * 9, 0.5F);
  for (const auto kind :
       {DetectorSettings::Kind::mahalanobis, DetectorSettings::Kind::robust_covariance,
        DetectorSettings::Kind::nearest_neighbours}) {
    const std::vector<double> scores = make_detector({.kind = kind})->score(fragments, 2);
    EXPECT_EQ(scores, std::vector<double>(12)) << static_cast<int>(kind);
  }
}

TEST(Detectors, FindTheFragmentsThatAreFarOut) {
  const std::vector<std::int64_t> wild = {3, 17, 90, 91, 92};
  const Fragments fragments = random_fragments(5, 40, 4, 3, wild);
  for (const DetectorSettings& settings :
       {DetectorSettings{}, DetectorSettings{.kind = DetectorSettings::Kind::robust_covariance},
        DetectorSettings{.kind = DetectorSettings::Kind::nearest_neighbours, .neighbours = 10}}) {
    const std::vector<double> scores = make_detector(settings)->score(fragments, 2);
    std::vector<std::int64_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](std::int64_t a, std::int64_t b) { return scores[a] > scores[b]; });
    order.resize(wild.size());
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, wild) << static_cast<int>(settings.kind);
  }
}

/// Many outliers in one place pull the covariance towards them and hide there; the robust one is
/// not moved.
TEST(RobustCovariance, IsNotMovedByAFifthOfOutliers) {
  std::vector<std::int64_t> wild(40);
  std::iota(wild.begin(), wild.end(), 160);
  const Fragments fragments = random_fragments(5, 40, 3, 4, wild);
  const auto contrast = [&](DetectorSettings::Kind kind) {
    const auto scores = make_detector({.kind = kind})->score(fragments, 1);
    const double outside = *std::min_element(scores.begin() + 160, scores.end());
    return outside / *std::max_element(scores.begin(), scores.begin() + 160);
  };
  EXPECT_LT(contrast(DetectorSettings::Kind::mahalanobis), 1);
  EXPECT_GT(contrast(DetectorSettings::Kind::robust_covariance), 2);
}

TEST(NearestNeighbours, IsTheDistanceToTheKth) {
  // Points 0, 1, 3, 7 on a line.
  const Fragments fragments = {.clients = 2, .per_client = 2, .size = 1, .values = {0, 1, 3, 7}};
  const auto scores = [&](int k) {
    return make_detector({.kind = DetectorSettings::Kind::nearest_neighbours, .neighbours = k})
        ->score(fragments, 1);
  };
  EXPECT_THAT(scores(1), ElementsAre(1, 1, 2, 4));
  EXPECT_THAT(scores(2), ElementsAre(3, 2, 3, 6));
  // There are three others: the third is the furthest.
  EXPECT_THAT(scores(20), ElementsAre(7, 6, 4, 7));
}

TEST(NearestNeighbours, OfWhatIsTooFarForAFloatAreTheFurthestOfAll) {
  const Fragments fragments = {
      .clients = 2, .per_client = 2, .size = 1, .values = {0, 1, 3, 1e30F}};
  const auto scores =
      make_detector({.kind = DetectorSettings::Kind::nearest_neighbours, .neighbours = 1})
          ->score(fragments, 1);
  EXPECT_TRUE(std::isfinite(scores[3]));
  EXPECT_GT(scores[3], 1e18);
  EXPECT_EQ(scores[2], 2);
}

// ---- the rule
// ---------------------------------------------------------------------------------------

class AribaRule : public testing::Test {
 protected:
  /// Honest updates of small noise; the rows of `attackers` have some kernels of conv2 far out.
  std::vector<float> updates(int clients, const std::vector<int>& attackers) const {
    const std::int64_t columns = trained.model.row.count();
    std::vector<float> matrix(static_cast<std::size_t>(clients * columns));
    for (int k = 0; k < clients; ++k) {
      RandomStream stream({.seed = 5, .client = static_cast<std::uint32_t>(k)});
      float* row = matrix.data() + k * columns;
      for (std::int64_t i = 0; i < columns; ++i)
        row[i] = static_cast<float>(0.01 * stream.normal());
      if (std::find(attackers.begin(), attackers.end(), k) == attackers.end()) continue;
      const ParameterSpan& weight = trained.weight();
      for (std::int64_t i = 0; i < 12 * 9; ++i)
        row[weight.offset + i] += 0.2F * (i % 2 == 0 ? 1 : -1);
    }
    return matrix;
  }

  Aggregate aggregate(const std::vector<float>& matrix, const AribaSettings& settings,
                      int round = 1) {
    const std::int64_t columns = trained.model.row.count();
    const auto clients = static_cast<std::size_t>(std::ssize(matrix) / columns);
    std::vector<int> ids(clients);
    for (std::size_t k = 0; k < clients; ++k) ids[k] = 10 + static_cast<int>(k);
    const std::vector<double> counts(clients, 5.0);
    Ariba rule(settings, {.executor = trained.world.executor});
    return rule.aggregate(trained.world.executor.context(),
                          {.shape = {static_cast<int>(clients), columns},
                           .matrix = {matrix.data(), columns},
                           .sample_counts = counts,
                           .clients = ids,
                           .round = round});
  }

  TrainedWorld trained;
};

// Whole filters have 54 numbers: their covariance takes many clients.
TEST_F(AribaRule, LeavesOutTheClientsWithTheMostMarkedFragments) {
  for (const FragmentSettings& fragments :
       {FragmentSettings{}, FragmentSettings{.kind = FragmentSettings::Kind::filter},
        FragmentSettings{.kind = FragmentSettings::Kind::block, .block = 6}}) {
    const Aggregate answer =
        aggregate(updates(40, {2, 5}), {.suspects = 2, .fragments = fragments});
    EXPECT_EQ(answer.removed, (std::vector<int>{12, 15})) << static_cast<int>(fragments.kind);
    for (std::size_t k = 0; k < 40; ++k) {
      EXPECT_EQ(answer.row_weights[k], k == 2 || k == 5 ? 0 : 5);
    }
  }
}

TEST_F(AribaRule, MarksTwiceTheFragmentsOfAClientForTwoSuspects) {
  const Aggregate answer = aggregate(updates(8, {2, 5}), {.suspects = 2});
  const auto value = [&](const char* name) {
    return std::find_if(answer.diagnostics.begin(), answer.diagnostics.end(),
                        [&](const auto& pair) { return pair.first == name; })
        ->second;
  };
  // conv2 has 8 · 6 kernels.
  EXPECT_EQ(std::get<std::int64_t>(value("fragments")), 48);
  const auto scores = std::get<std::vector<double>>(value("client_scores"));
  EXPECT_EQ(std::accumulate(scores.begin(), scores.end(), 0.0), 2 * 48);
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(value("scored_clients")).front(), 10);
  for (const std::size_t k : {2, 5}) EXPECT_GE(scores[k], 12);
}

TEST_F(AribaRule, TakesTheMiddleLayerByDefaultAndAddsSeveral) {
  // Both names mean conv2 here: of two layers the second is the middle one.
  const std::vector<float> matrix = updates(8, {2, 5});
  EXPECT_EQ(aggregate(matrix, {.suspects = 2}).removed,
            aggregate(matrix, {.suspects = 2, .layers = {"conv2"}}).removed);
  // The attack does not show in conv1 but still decides the sum.
  EXPECT_EQ(aggregate(matrix, {.suspects = 2, .layers = {"conv1", "conv2"}}).removed,
            (std::vector<int>{12, 15}));
}

TEST_F(AribaRule, LeavesNobodyOutWhereAllAreEqual) {
  const std::vector<float> zeros(static_cast<std::size_t>(5 * trained.model.row.count()));
  EXPECT_EQ(aggregate(zeros, {.suspects = 3}).removed, std::vector<int>());
}

TEST_F(AribaRule, KeepsAtLeastOneClient) {
  const Aggregate answer = aggregate(updates(3, {1}), {.suspects = 7});
  EXPECT_EQ(answer.removed->size(), 2U);
}

TEST_F(AribaRule, ExportsTheFragmentsOfTheWantedRoundAndClients) {
  AribaSettings settings = {.suspects = 2};
  settings.fragments_of = {.round = 4, .clients = std::vector<int>{11, 15}};
  const std::vector<float> matrix = updates(8, {2, 5});
  EXPECT_TRUE(aggregate(matrix, settings, 3).tensors.empty());
  const std::vector<NamedTensor> tensors = aggregate(matrix, settings, 4).tensors;
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0].name, "conv2.weight.client11");
  EXPECT_EQ(tensors[1].name, "conv2.weight.client15");
  EXPECT_THAT(tensors[0].shape, ElementsAre(48, 9));
  // A number of the layer less its mean over the clients.
  const std::int64_t columns = trained.model.row.count();
  const std::int64_t at = trained.weight().offset + 20;
  double mean = 0;
  for (int k = 0; k < 8; ++k) {
    mean += static_cast<double>(matrix[k * columns + at]) / 8;
  }
  EXPECT_NEAR(tensors[0].values[20], static_cast<double>(matrix[columns + at]) - mean, 1e-7);
}

}  // namespace
}  // namespace redoubt::test
