// Spectral anomaly detection: eigenvectors and components against plain loops, the rule against its
// definition, and the references that the server makes.
#include "defense/spectral.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/defense/plain_rules.h"
#include "tests/defense/trained_world.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::HasSubstr;

double dot(const Row& a, const Row& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Points whose deviation falls by half from one dimension to the next, mixed by a rotation.
Points random_points(int count, int size, std::uint64_t seed) {
  Points points = {.count = count, .size = size, .values = {}};
  for (int p = 0; p < count; ++p) {
    RandomStream stream({.seed = seed, .client = static_cast<std::uint32_t>(p)});
    Row x;
    for (int c = 0; c < size; ++c) x.push_back(std::exp2(-c) * stream.normal());
    for (std::size_t c = 0; c + 1 < x.size(); ++c) {
      const double old = x[c];
      x[c] = 0.8 * old - 0.6 * x[c + 1];
      x[c + 1] = 0.6 * old + 0.8 * x[c + 1];
    }
    points.values.insert(points.values.end(), x.begin(), x.end());
  }
  return points;
}

Rows rows_of(const Points& points) {
  Rows rows;
  for (int i = 0; i < points.count; ++i) {
    rows.emplace_back(points.point(i).begin(), points.point(i).end());
  }
  return rows;
}

/// |x|² without what lies along the `most` main directions of the points, each found by power
/// iteration on their scatter matrix and taken out of it.
double plain_residual(const Rows& points, Row x, int most) {
  const std::size_t size = x.size();
  Rows scatter(size, Row(size));
  for (const Row& point : points) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) scatter[i][j] += point[i] * point[j];
    }
  }
  double greatest = 0;
  for (int k = 0; k < most; ++k) {
    Row direction(size);
    RandomStream stream({.seed = 99, .step = static_cast<std::uint32_t>(k)});
    for (double& value : direction) value = stream.normal();
    double length = 0;
    for (int step = 0; step < 3000; ++step) {
      Row next;
      for (const Row& row : scatter) next.push_back(dot(row, direction));
      length = norm(next);
      if (length == 0) break;
      for (std::size_t i = 0; i < size; ++i) direction[i] = next[i] / length;
    }
    if (k == 0) greatest = length;
    if (!(length > 1e-10 * greatest)) break;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        scatter[i][j] -= length * direction[i] * direction[j];
      }
    }
    const double along = dot(x, direction);
    for (std::size_t i = 0; i < size; ++i) x[i] -= along * direction[i];
  }
  return dot(x, x);
}

TEST(SymmetricEigen, TakesAMatrixApartAndItsVectorsAreOrthonormal) {
  constexpr int kSize = 12;
  // Random; with a double eigenvalue; a diagonal one; nothing at all.
  for (int kind = 0; kind < 4; ++kind) {
    std::vector<double> matrix(kSize * kSize);
    RandomStream stream({.seed = 4});
    for (int i = 0; i < kSize; ++i) {
      for (int j = 0; j <= i; ++j) {
        const double random = kind < 2 ? stream.normal() : 0;
        const double value = kind == 1 ? (i / 2 == j / 2 ? 1 + i / 2 : 0) : random;
        matrix[i * kSize + j] = kind == 2 && i == j ? 5 - i : value;
        matrix[j * kSize + i] = matrix[i * kSize + j];
      }
    }
    const SymmetricEigen eigen = symmetric_eigen(matrix, kSize);
    const auto vector = [&](int k, int i) { return eigen.vectors[k * kSize + i]; };
    for (int i = 0; i < kSize; ++i) {
      if (i > 0) {
        EXPECT_GE(eigen.values[i - 1], eigen.values[i]);
      }
      for (int j = 0; j < kSize; ++j) {
        double together = 0;
        double product = 0;
        for (int k = 0; k < kSize; ++k) {
          together += vector(k, i) * eigen.values[k] * vector(k, j);
          product += vector(i, k) * vector(j, k);
        }
        EXPECT_NEAR(together, matrix[i * kSize + j], 1e-13);
        EXPECT_NEAR(product, i == j ? 1 : 0, 1e-14);
      }
    }
  }
}

TEST(PrincipalComponents, LoseWhatPowerIterationSaysTheyLose) {
  constexpr int kSize = 9;
  for (const int count : {1, 2, 6, 30}) {
    const Points points = random_points(count, kSize, 7);
    for (const int most : {0, 1, 4, 9, 20}) {
      const PrincipalComponents components(points, most);
      EXPECT_EQ(components.count(), std::min({most, count, kSize}));
      for (const Row& x : rows_of(random_points(5, kSize, 8))) {
        EXPECT_NEAR(components.squared_residual(x), plain_residual(rows_of(points), x, most),
                    1e-9 * dot(x, x));
      }
    }
  }
}

TEST(PrincipalComponents, OfNothingOrOfZerosKeepNothing) {
  EXPECT_EQ(PrincipalComponents({.count = 0, .size = 3, .values = {}}, 5).count(), 0);
  const PrincipalComponents zeros({.count = 2, .size = 3, .values = std::vector<float>(6)}, 5);
  EXPECT_EQ(zeros.count(), 0);
  EXPECT_EQ(zeros.squared_residual({1, 2, 3}), 14);
}

class SpectralRule : public testing::Test {
 protected:
  static constexpr int kClients = 9;

  RuleEnvironment environment(std::uint64_t seed = 5) {
    return {.executor = trained.world.executor,
            .validation = trained.images.validation,
            .seed = seed,
            .local = small_settings().local};
  }
  /// Honest updates are what the model gains from training; the last two point elsewhere.
  Rows updates(std::uint64_t seed) {
    Rows rows(kClients, Row(static_cast<std::size_t>(trained.model.row.count())));
    for (int k = 0; k < kClients; ++k) {
      RandomStream stream({.seed = seed, .client = static_cast<std::uint32_t>(k)});
      const double deviation = k < kClients - 2 ? 0.01 : 0.03 * (kClients - k);
      for (double& value : rows[k]) {
        value = static_cast<float>(deviation * stream.normal());
      }
    }
    return rows;
  }
  UpdateMatrix view(const Rows& rows, int round) {
    matrix.clear();
    for (const Row& row : rows) matrix.insert(matrix.end(), row.begin(), row.end());
    ids.resize(rows.size());
    std::iota(ids.begin(), ids.end(), 10);
    counts.clear();
    for (std::size_t k = 0; k < rows.size(); ++k) counts.push_back(30 + static_cast<double>(k));
    return {.shape = {.rows = static_cast<int>(rows.size()), .columns = std::ssize(rows.front())},
            .matrix = {matrix.data(), std::ssize(rows.front())},
            .sample_counts = counts,
            .clients = ids,
            .global = trained.model.row.data(),
            .mask = trained.model.mask.data(),
            .round = round,
            .learning_rate = SmallWorld::kRate};
  }
  Context& context() { return trained.world.executor.context(); }

  TrainedWorld trained;
  std::vector<float> matrix;
  std::vector<double> counts;
  std::vector<int> ids;
};

/// A surrogate's error, by plain loops: `past` are deviations of earlier rounds.
double plain_error(const Rows& past, const Rows& references, Row x, int components) {
  const Row mean = mean_of(references, ones(references.size()));
  Rows deviations = past;
  for (Row reference : references) {
    for (std::size_t c = 0; c < mean.size(); ++c) reference[c] -= mean[c];
    deviations.push_back(reference);
  }
  for (std::size_t c = 0; c < mean.size(); ++c) x[c] -= mean[c];
  return plain_residual(deviations, x, components);
}

TEST_F(SpectralRule, IsWhatItsDefinitionSaysThroughRounds) {
  using Threshold = SpectralSettings::Threshold;
  for (const Threshold kind : {Threshold::mean, Threshold::references}) {
    const SpectralSettings settings = {.layer = "last",
                                       .dimensions = 40,
                                       .references = 4,
                                       .memory = 2,
                                       .components = 3,
                                       .threshold = kind};
    Spectral rule(settings, environment());
    Rows past;
    for (int round = 1; round <= 3; ++round) {
      const Rows rows = updates(static_cast<std::uint64_t>(round));
      const UpdateMatrix all = view(rows, round);
      const Rows references = rows_of(rule.references(context(), all));
      const Aggregate answer = rule.aggregate(context(), all);

      Row errors;
      for (const Row& row : rows) {
        Row x;
        for (const std::int64_t c : rule.columns()) x.push_back(row[c]);
        errors.push_back(plain_error(past, references, x, 3));
      }
      double threshold = 0;
      if (kind == Threshold::mean) {
        threshold = std::accumulate(errors.begin(), errors.end(), 0.0) / kClients;
      } else {
        for (std::size_t i = 0; i < references.size(); ++i) {
          Rows others = references;
          others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
          threshold = std::max(threshold, plain_error(past, others, references[i], 3));
        }
      }
      const auto& scores = std::get<std::vector<double>>(answer.diagnostics[1].second);
      std::vector<int> removed;
      for (std::size_t k = 0; k < kClients; ++k) {
        EXPECT_NEAR(scores[k], errors[k], 1e-5 * errors[k]);
        EXPECT_EQ(answer.row_weights[k], errors[k] > threshold ? 0 : counts[k]);
        if (errors[k] > threshold) removed.push_back(ids[k]);
      }
      EXPECT_EQ(answer.removed, removed);
      EXPECT_EQ(answer.diagnostics.back().first, "threshold");
      EXPECT_NEAR(std::get<double>(answer.diagnostics.back().second), threshold, 1e-5 * threshold);
      if (kind == Threshold::mean) {
        EXPECT_EQ(removed, (std::vector<int>{17, 18}));
      }

      // The next round learns from this one's deviations and forgets those before.
      past.clear();
      const Row mean = mean_of(references, ones(references.size()));
      for (Row reference : references) {
        for (std::size_t c = 0; c < mean.size(); ++c) reference[c] -= mean[c];
        past.push_back(reference);
      }
    }
  }
}

TEST_F(SpectralRule, MakesTheReferencesThatAClientWithTheServersImagesWould) {
  // Of one image every bootstrap sample is the same, as many times as the median client (34
  // images).
  const std::vector<kernels::Sample> one = {trained.images.validation.front()};
  RuleEnvironment own = environment();
  own.validation = one;
  own.local.epochs = 2;
  own.local.last_conv_l2 = 0.01F;
  const Spectral rule({.dimensions = 1 << 20, .references = 2}, own);
  const Points references = rule.references(context(), view(updates(1), 3));

  const std::vector<kernels::Sample> samples(2 * 34, one.front());
  const ParameterLayout& layout = trained.world.network.layout();
  Fleet fleet(layout, 2, 1, Device());
  std::vector<TrainingTask> tasks;
  OptimizerSettings optimizer = own.local.optimizer;
  learning_rate_of(optimizer) = SmallWorld::kRate;
  const ParameterSpan& weight = *layout.find("conv2.weight");
  for (std::uint32_t row = 0; row < 2; ++row) {
    context().copy_on_device(fleet.values()[static_cast<int>(row)], trained.model.row.data(),
                             trained.model.row.bytes());
    tasks.push_back(
        {.row = static_cast<int>(row),
         .samples = samples,
         .epochs = 2,
         .batch = 16,
         .optimizer = optimizer,
         .terms = Terms::of(L2Penalty(weight, 0.01F)),
         .key = {.seed = 5, .purpose = Purpose::reference_dropout, .client = row, .round = 3}});
  }
  trained.world.executor.train(fleet, tasks, {trained.model.mask.data(), 0});
  const std::vector<float> global = trained.model.row.download();
  ASSERT_EQ(references.count, 2);
  ASSERT_EQ(references.size, layout.parameter_count());
  for (int row = 0; row < 2; ++row) {
    for (std::size_t i = 0; i < rule.columns().size(); ++i) {
      const std::int64_t column = rule.columns()[i];
      EXPECT_EQ(references.point(row)[i], fleet.values()[row][column] - global[column]);
    }
  }
}

TEST_F(SpectralRule, DrawsReferencesAndColumnsFromSeedAndRoundAlone) {
  const SpectralSettings settings = {.dimensions = 50, .references = 3};
  const auto values = [&](std::uint64_t seed, int round) {
    const Spectral rule(settings, environment(seed));
    return std::pair(rule.columns(), rule.references(context(), view(updates(1), round)).values);
  };
  const auto first = values(5, 1);
  EXPECT_EQ(first.first.size(), 50);
  EXPECT_TRUE(std::is_sorted(first.first.begin(), first.first.end()));
  EXPECT_EQ(std::adjacent_find(first.first.begin(), first.first.end()), first.first.end());
  EXPECT_EQ(values(5, 1), first);
  EXPECT_EQ(values(5, 2).first, first.first);
  EXPECT_NE(values(5, 2).second, first.second);
  EXPECT_NE(values(6, 1).first, first.first);
  // The references of one round differ from one another.
  const auto middle = first.second.begin() + 50;
  EXPECT_FALSE(std::equal(first.second.begin(), middle, middle));
}

TEST_F(SpectralRule, ForgetsOldRoundsAndRefusesAStateThatDoesNotFit) {
  const SpectralSettings settings = {.dimensions = 30, .references = 3, .memory = 2};
  Spectral rule(settings, environment());
  EXPECT_TRUE(rule.state().empty());
  for (int round = 1; round <= 4; ++round) rule.aggregate(context(), view(updates(1), round));
  std::vector<NamedTensor> state = rule.state();
  ASSERT_EQ(state.size(), 2);
  EXPECT_EQ(state[0].shape, (std::vector<std::int64_t>{3, 30}));

  // In whatever order a file holds it.
  std::swap(state[0], state[1]);
  Spectral resumed(settings, environment());
  resumed.restore(state);
  const UpdateMatrix next = view(updates(2), 5);
  EXPECT_EQ(std::get<std::vector<double>>(resumed.aggregate(context(), next).diagnostics[1].second),
            std::get<std::vector<double>>(rule.aggregate(context(), next).diagnostics[1].second));

  Spectral other({.dimensions = 31, .references = 3, .memory = 2}, environment());
  EXPECT_THAT(input_error([&] { other.restore(state); }),
              HasSubstr("the state of the rule spectral does not fit"));
  state[1].name = "history.3";
  EXPECT_THAT(input_error([&] { resumed.restore(state); }), HasSubstr("no deviations."));
}

TEST(SpectralReferences, AreTheSameBitsForAnyNumberOfThreads) {
  const auto values = [](int threads) {
    SmallWorld world(threads);
    const GlobalModel model = world.model();
    const std::vector<kernels::Sample> images = world.clients({40})[0].samples;
    const Spectral rule({.references = 5}, {.executor = world.executor,
                                            .validation = images,
                                            .seed = 1,
                                            .local = small_settings().local});
    const std::vector<double> counts = {40};
    const UpdateMatrix updates = {.shape = {.rows = 1, .columns = model.row.count()},
                                  .matrix = {},
                                  .sample_counts = counts,
                                  .clients = {},
                                  .global = model.row.data(),
                                  .mask = model.mask.data(),
                                  .learning_rate = SmallWorld::kRate};
    return rule.references(world.executor.context(), updates).values;
  };
  EXPECT_EQ(values(1), values(3));
}

}  // namespace
}  // namespace redoubt::test
