// The procedural data sets: the same every time, balanced, and learnable.
#include "datasets/synthetic.h"

#include <algorithm>
#include <cmath>

#include "tests/support/expect_message.h"

namespace redoubt::test {

namespace {

constexpr Shape kGray = {1, 28, 28};
constexpr Shape kColor = {3, 32, 32};

/// A linear classifier by softmax regression, in plain loops: test accuracy after some passes.
double linear_accuracy(const Dataset& data) {
  const auto inputs = static_cast<std::size_t>(data.shape.size());
  constexpr std::size_t kClasses = 10;
  std::vector<double> weight(kClasses * (inputs + 1));
  const auto scores = [&](const std::uint8_t* image) {
    std::vector<double> s(kClasses);
    for (std::size_t k = 0; k < kClasses; ++k) {
      const double* w = weight.data() + k * (inputs + 1);
      s[k] = w[inputs];
      for (std::size_t j = 0; j < inputs; ++j) s[k] += w[j] * image[j] / 255.0;
    }
    return s;
  };
  for (int pass = 0; pass < 12; ++pass) {
    for (int i = 0; i < data.train.count(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::uint8_t* image = data.train.images.data() + at * inputs;
      std::vector<double> p = scores(image);
      const double top = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& value : p) sum += value = std::exp(value - top);
      for (std::size_t k = 0; k < kClasses; ++k) {
        const double step = 0.01 * (p[k] / sum - (data.train.labels[at] == k ? 1 : 0));
        double* w = weight.data() + k * (inputs + 1);
        for (std::size_t j = 0; j < inputs; ++j) w[j] -= step * image[j] / 255.0;
        w[inputs] -= step;
      }
    }
  }
  int right = 0;
  for (int i = 0; i < data.test.count(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::vector<double> s = scores(data.test.images.data() + at * inputs);
    const auto guess = std::max_element(s.begin(), s.end()) - s.begin();
    right += guess == data.test.labels[at] ? 1 : 0;
  }
  return static_cast<double>(right) / data.test.count();
}

bool begins_with(const Split& longer, const Split& shorter) {
  return std::equal(shorter.images.begin(), shorter.images.end(), longer.images.begin()) &&
         std::equal(shorter.labels.begin(), shorter.labels.end(), longer.labels.begin());
}

}  // namespace

TEST(Synthetic, HasTheShapeAndCountsThatItAnnounces) {
  const Dataset data = make_synthetic("synthetic-color", kColor, 130, 40, 1);
  EXPECT_EQ(data.name, "synthetic-color");
  EXPECT_EQ(data.train.count(), 130);
  EXPECT_EQ(data.test.count(), 40);
  EXPECT_EQ(data.train.images.size(), 130U * 3 * 32 * 32);
  for (int label = 0; label < 10; ++label) {
    EXPECT_EQ(std::count(data.train.labels.begin(), data.train.labels.end(), label), 13);
    EXPECT_EQ(std::count(data.test.labels.begin(), data.test.labels.end(), label), 4);
  }
}

TEST(Synthetic, IsTheSameForTheSameSeedAndAnotherForAnother) {
  const Dataset once = make_synthetic("synthetic-gray", kGray, 50, 20, 7);
  const Dataset again = make_synthetic("synthetic-gray", kGray, 50, 20, 7);
  const Dataset other = make_synthetic("synthetic-gray", kGray, 50, 20, 8);
  EXPECT_EQ(once.train.images, again.train.images);
  EXPECT_EQ(once.test.images, again.test.images);
  EXPECT_NE(once.train.images, other.train.images);
  EXPECT_NE(once.test.images, other.test.images);
}

TEST(Synthetic, BeginsWithTheSmallerSet) {
  const Dataset small = make_synthetic("synthetic-gray", kGray, 33, 12, 3);
  const Dataset large = make_synthetic("synthetic-gray", kGray, 90, 50, 3);
  EXPECT_TRUE(begins_with(large.train, small.train));
  EXPECT_TRUE(begins_with(large.test, small.test));
  EXPECT_FALSE(begins_with(large.test, small.train)) << "test images are not training images";
}

TEST(Synthetic, LeavesRoomForAWhiteTrigger) {
  const Dataset data = make_synthetic("synthetic-gray", kGray, 500, 10, 1);
  EXPECT_LT(*std::max_element(data.train.images.begin(), data.train.images.end()), 255);
}

TEST(Synthetic, CanBeLearnt) {
  // Ten classes: 0.1 is chance. What a network reaches is checked where networks are.
  EXPECT_GT(linear_accuracy(make_synthetic("synthetic-gray", kGray, 2000, 500, 1)), 0.5);
  EXPECT_GT(linear_accuracy(make_synthetic("synthetic-color", kColor, 1000, 300, 1)), 0.4);
}

}  // namespace redoubt::test
