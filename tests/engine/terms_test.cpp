// Terms of a step and other losses, through an executor: what each leaves in gradients and weights,
// against plain loops in double on what the same steps leave without it.
#include "engine/terms.h"

#include <algorithm>
#include <cmath>

#include "engine/executor.h"
#include "tests/engine/network_cases.h"
#include "tests/engine/random_images.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;

constexpr Shape kInput = {1, 6, 6};
constexpr int kClasses = 4;
constexpr int kBatch = 8;
constexpr float kRate = 0.5F;

/// Cross-entropy, twice.
class TwiceTheLoss : public Loss {
 public:
  void operator()(Context& context, const kernels::LossShape& shape,
                  kernels::Replicas<const float> logits,
                  kernels::Replicas<const std::int32_t> labels, kernels::Replicas<float> gradient,
                  kernels::LossTotals* totals) const override {
    softmax_cross_entropy_loss()(context, shape, logits, labels, gradient, totals);
    for (int r = 0; r < shape.replicas; ++r) {
      for (int i = 0; i < shape.classes * shape.batch; ++i) gradient[r][i] *= 2;
    }
  }
};

class StepTerms : public testing::Test {
 protected:
  /// Values and last gradient of one row.
  struct Trained {
    std::vector<float> values;
    std::vector<float> gradients;
  };

  /// Steps `first` to `last` - 1 of the same batches by SGD, from `values`.
  Trained train(const std::vector<float>& values, int first, int last, const Terms& terms = {},
                const Loss& loss = softmax_cross_entropy_loss()) {
    const std::vector<Sample> samples =
        images.samples(first * kBatch, (last - first) * kBatch, kClasses);
    Fleet fleet(network.layout(), 1, 1, Device());
    std::copy(values.begin(), values.end(), fleet.values()[0]);
    const std::vector<TrainingTask> tasks = {{.samples = samples,
                                              .batch = kBatch,
                                              .optimizer = Sgd::Settings{.learning_rate = kRate},
                                              .loss = &loss,
                                              .terms = terms}};
    executor.train(fleet, tasks, {});
    const auto row = [&](const float* from) { return std::vector<float>(from, from + size); };
    return {.values = row(fleet.values()[0]), .gradients = row(fleet.gradients()[0])};
  }

  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double squared = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      squared += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    }
    return std::sqrt(squared);
  }

  const Network network{kInput, kClasses, std::vector{conv(3, 3), relu(), dense(kClasses)}};
  const RandomImages images{kInput, 50};
  Executor executor{network, images.source(), Device(), 1, kBatch};
  const std::int64_t size = network.layout().row_size();
  const std::vector<float> start = random_floats(3, size, -0.3, 0.3);
  const std::vector<float> other = random_floats(4, size, -0.3, 0.3);
};

TEST_F(StepTerms, AreEqualByKindAndValueInTheirOrder) {
  const kernels::DistanceShare share = {
      .rho = 0.5F, .anchor = start.data(), .direction = other.data()};
  const Terms squared = Terms::of(SquaredDistance(share));
  EXPECT_EQ(squared, Terms::of(SquaredDistance(share)));
  EXPECT_EQ(squared, Terms(squared));
  EXPECT_NE(squared, Terms::of(CosineDistance(share)));
  EXPECT_NE(squared, Terms());
  kernels::DistanceShare less = share;
  less.rho = 0.25F;
  EXPECT_NE(squared, Terms::of(SquaredDistance(less)));
  EXPECT_NE(Terms::of(GradientMask(start.data())), Terms::of(GradientMask(other.data())));
  EXPECT_NE(Terms::of(Projection({.radius = 1, .centre = start.data()})),
            Terms::of(Projection({.radius = 1, .centre = start.data(), .every = 2})));
  EXPECT_NE(Terms::of(ClipToDeviations(network.layout(), "last", 1)),
            Terms::of(ClipToDeviations(network.layout(), "last", 2)));

  Terms longer = squared;
  longer.add(GradientMask(start.data()));
  EXPECT_EQ(longer, Terms::of(SquaredDistance(share), GradientMask(start.data())));
  EXPECT_NE(longer, Terms::of(GradientMask(start.data()), SquaredDistance(share)));
  EXPECT_EQ(squared, Terms::of(SquaredDistance(share)))
      << "a copy that grew changed what it is from";
}

TEST_F(StepTerms, ThatDifferAreNotTrainedInTheSameOperations) {
  const TrainingTask first = {.row = 0, .terms = Terms::of(GradientMask(start.data()))};
  TrainingTask second = {.row = 1, .terms = Terms::of(GradientMask(start.data()))};
  EXPECT_TRUE(can_follow(first, second));
  second.terms = Terms::of(GradientMask(other.data()));
  EXPECT_FALSE(can_follow(first, second));
  second.terms = first.terms;
  const TwiceTheLoss twice;
  second.loss = &twice;
  EXPECT_FALSE(can_follow(first, second));
}

TEST_F(StepTerms, ADistanceSharesTheGradientWithTheLoss) {
  const std::vector<float> plain = train(start, 0, 1).gradients;
  const kernels::DistanceShare share = {
      .rho = 0.25F, .anchor = other.data(), .direction = plain.data()};
  const std::vector<float> squared =
      train(start, 0, 1, Terms::of(SquaredDistance(share))).gradients;
  const std::vector<float> cosine = train(start, 0, 1, Terms::of(CosineDistance(share))).gradients;

  double delta_delta = 0;
  double delta_along = 0;
  double along_along = 0;
  const auto delta = [&](std::size_t i) {
    return static_cast<double>(start[i]) - static_cast<double>(other[i]);
  };
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto along = static_cast<double>(plain[i]);
    delta_delta += delta(i) * delta(i);
    delta_along += delta(i) * along;
    along_along += along * along;
  }
  const double lengths = std::sqrt(delta_delta * along_along);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto along = static_cast<double>(plain[i]);
    EXPECT_NEAR(squared[i], 0.75 * along + 0.25 * 2 * delta(i), 1e-6);
    const double slope = delta_along / lengths * delta(i) / delta_delta - along / lengths;
    EXPECT_NEAR(cosine[i], 0.75 * along + 0.25 * slope, 1e-6);
  }
}

TEST_F(StepTerms, AMaskOnTheGradientHoldsColumnsWhereTheyAre) {
  std::vector<float> mask(start.size(), 1.0F);
  for (std::size_t i = 0; i < mask.size(); i += 3) mask[i] = 0;
  const std::vector<float> plain = train(start, 0, 1).values;
  const std::vector<float> once = train(start, 0, 1, Terms::of(GradientMask(mask.data()))).values;
  const std::vector<float> thrice = train(start, 0, 3, Terms::of(GradientMask(mask.data()))).values;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    EXPECT_EQ(once[i], mask[i] == 0 ? start[i] : plain[i]);
    if (mask[i] == 0) {
      EXPECT_EQ(thrice[i], start[i]);
    }
  }
  EXPECT_GT(distance(thrice, once), 0.01);
}

TEST_F(StepTerms, AProjectionDrawsEverySecondStepBackOntoTheBall) {
  const std::vector<float> after_one = train(start, 0, 1).values;
  const std::vector<float> after_two = train(start, 0, 2).values;
  const double far = distance(after_two, start);
  const double radius = 0.5 * std::min(far, distance(after_one, start));
  const Terms terms = Terms::of(Projection({.radius = radius, .centre = start.data(), .every = 2}));

  EXPECT_EQ(train(start, 0, 1, terms).values, after_one) << "the first step is none of them";
  const std::vector<float> projected = train(start, 0, 2, terms).values;
  for (std::size_t i = 0; i < projected.size(); ++i) {
    const auto centre = static_cast<double>(start[i]);
    EXPECT_NEAR(projected[i], centre + radius / far * (static_cast<double>(after_two[i]) - centre),
                1e-6);
  }
  EXPECT_NEAR(distance(projected, start), radius, 1e-6);
  EXPECT_EQ(train(start, 0, 3, terms).values, train(projected, 2, 3).values)
      << "the third step goes on from the ball";
  const Terms wide = Terms::of(Projection({.radius = 2 * far, .centre = start.data(), .every = 2}));
  EXPECT_EQ(train(start, 0, 2, wide).values, after_two) << "within the ball nothing changes";
}

TEST_F(StepTerms, ClampingBoundsALayersWeightsAfterTheStepAndNoOthers) {
  constexpr double kDelta = 0.8;
  const std::vector<float> plain = train(start, 0, 1).values;
  const std::vector<float> clamped =
      train(start, 0, 1, Terms::of(ClipToDeviations(network.layout(), "last", kDelta))).values;
  const ParameterSpan& weight = *network.layout().find("conv1.weight");
  double sum = 0;
  double squares = 0;
  for (std::int64_t i = weight.offset; i < weight.offset + weight.size; ++i) {
    sum += static_cast<double>(plain[i]);
    squares += static_cast<double>(plain[i]) * static_cast<double>(plain[i]);
  }
  const double mean = sum / static_cast<double>(weight.size);
  const double reach = kDelta * std::sqrt(squares / static_cast<double>(weight.size) - mean * mean);
  int outside = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    if (i < weight.offset || i >= weight.offset + weight.size) {
      EXPECT_EQ(clamped[i], plain[i]);
      continue;
    }
    const auto value = static_cast<double>(plain[i]);
    EXPECT_NEAR(clamped[i], std::clamp(value, mean - reach, mean + reach), 1e-6);
    outside += std::abs(value - mean) > reach ? 1 : 0;
  }
  EXPECT_GT(outside, 0);
  EXPECT_THAT(input_error([&] { ClipToDeviations(network.layout(), "conv7", 1); }),
              testing::HasSubstr("conv7"));
}

TEST_F(StepTerms, ActInTheirOrder) {
  const std::vector<float> mask(start.size(), 0.0F);
  const ParameterSpan& weight = network.layout().span(0);
  const Terms masked_last = Terms::of(L2Penalty(weight, 0.1F), GradientMask(mask.data()));
  EXPECT_EQ(train(start, 0, 1, masked_last).values, start);
  const Terms masked_first = Terms::of(GradientMask(mask.data()), L2Penalty(weight, 0.1F));
  const std::vector<float> gradients = train(start, 0, 1, masked_first).gradients;
  for (std::int64_t i = weight.offset; i < weight.offset + weight.size; ++i) {
    EXPECT_FLOAT_EQ(gradients[i], 0.2F * start[i]);
  }
}

TEST_F(StepTerms, AnotherLossTakesTheCrossEntropysPlace) {
  const TwiceTheLoss twice;
  const std::vector<float> once = train(start, 0, 1).gradients;
  const std::vector<float> doubled = train(start, 0, 1, {}, twice).gradients;
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(doubled[i], 2 * once[i]);
}

}  // namespace
}  // namespace redoubt::test
