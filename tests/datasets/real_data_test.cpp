// The published data sets, where this machine has them.
#include <algorithm>
#include <cstdlib>

#include "datasets/dataset.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {

namespace {

/// The data set, or nothing if it is not installed.
std::optional<Dataset> find(const char* name) {
  try {
    return load_dataset({.name = {name}, .directory = {}, .train_samples = {}}, 1);
  } catch (const InputError& error) {
    // Absence is fine; damage is not.
    EXPECT_THAT(error.what(), testing::HasSubstr("was not found"));
    return std::nullopt;
  }
}

std::vector<std::ptrdiff_t> class_counts(const Split& split) {
  std::vector<std::ptrdiff_t> counts;
  for (int label = 0; label < 10; ++label) {
    counts.push_back(std::count(split.labels.begin(), split.labels.end(), label));
  }
  return counts;
}

/// The first labels of a split.
std::vector<int> first_labels(const Split& split, std::ptrdiff_t count) {
  return {split.labels.begin(), split.labels.begin() + count};
}

}  // namespace

TEST(RealData, FashionMnist) {
  const std::optional<Dataset> data = find("fashion-mnist");
  if (!data) GTEST_SKIP() << "Fashion-MNIST is not installed (package dataset-fashion-mnist)";
  EXPECT_EQ(class_counts(data->train), std::vector<std::ptrdiff_t>(10, 6000));
  EXPECT_EQ(class_counts(data->test), std::vector<std::ptrdiff_t>(10, 1000));
  EXPECT_EQ(data->train.images.size(), 60000U * 784);
  // As published: an ankle boot, two T-shirts, two dresses.
  EXPECT_EQ(first_labels(data->train, 5), (std::vector<int>{9, 0, 0, 3, 0}));
  EXPECT_EQ(first_labels(data->test, 5), (std::vector<int>{9, 2, 1, 1, 6}));
  // The values that its users pass around.
  const Normalization standard = normalization({}, *data);
  EXPECT_NEAR(standard.mean[0], 0.2860, 5e-5);
  EXPECT_NEAR(standard.deviation[0], 0.3530, 5e-5);
}

TEST(RealData, Mnist) {
  const std::optional<Dataset> data = find("mnist");
  if (!data) GTEST_SKIP() << "MNIST is not under $REDOUBT_DATA";
  EXPECT_EQ(class_counts(data->train), (std::vector<std::ptrdiff_t>{5923, 6742, 5958, 6131, 5842,
                                                                    5421, 5918, 6265, 5851, 5949}));
  EXPECT_EQ(data->test.count(), 10000);
  EXPECT_EQ(first_labels(data->train, 5), (std::vector<int>{5, 0, 4, 1, 9}));
  EXPECT_EQ(first_labels(data->test, 5), (std::vector<int>{7, 2, 1, 0, 4}));
  const Normalization standard = normalization({}, *data);
  EXPECT_NEAR(standard.mean[0], 0.1307, 5e-5);
  EXPECT_NEAR(standard.deviation[0], 0.3081, 5e-5);
}

TEST(RealData, Cifar10) {
  const std::optional<Dataset> data = find("cifar10");
  if (!data) GTEST_SKIP() << "CIFAR-10 is not under $REDOUBT_DATA";
  EXPECT_EQ(class_counts(data->train), std::vector<std::ptrdiff_t>(10, 5000));
  EXPECT_EQ(class_counts(data->test), std::vector<std::ptrdiff_t>(10, 1000));
  EXPECT_EQ(data->train.images.size(), 50000U * 3072);
  // Loose, so that copies that went through a lossy format pass, too; another order of channels
  // or bytes does not.
  const Normalization standard = normalization({}, *data);
  const double mean[] = {0.4914, 0.4822, 0.4465};
  const double deviation[] = {0.2470, 0.2435, 0.2616};
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(standard.mean[c], mean[c], 0.004);
    EXPECT_NEAR(standard.deviation[c], deviation[c], 0.006);
  }
}

}  // namespace redoubt::test
