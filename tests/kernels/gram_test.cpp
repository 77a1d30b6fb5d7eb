// The Gram matrix where single precision is weakest: its stated error, and numbers whose products a
// float cannot hold.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/rows.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {
namespace {

constexpr int kRows = 7;

std::vector<double> gram_of(const std::vector<float>& matrix, std::int64_t columns, int threads) {
  Context context(Device(), threads);
  std::vector<double> gram(kRows * kRows);
  kernels::gram(context, {kRows, columns}, {matrix.data(), columns}, gram);
  return gram;
}

/// Fails where a product is off by more than `share` of the sum of its terms' sizes.
void expect_within(const std::vector<float>& matrix, std::int64_t columns, double share) {
  const std::vector<double> gram = gram_of(matrix, columns, 2);
  EXPECT_EQ(gram, gram_of(matrix, columns, 1));
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kRows; ++j) {
      long double sum = 0;
      long double size = 0;
      for (std::int64_t c = 0; c < columns; ++c) {
        const long double term = static_cast<long double>(matrix[i * columns + c]) *
                                 static_cast<long double>(matrix[j * columns + c]);
        sum += term;
        size += std::abs(term);
      }
      EXPECT_NEAR(gram[i * kRows + j], static_cast<double>(sum), share * static_cast<double>(size))
          << i << ", " << j << " of " << columns << " columns";
    }
  }
}

std::vector<float> matrix_of(std::int64_t columns, double low, double high, double factor) {
  std::vector<float> matrix;
  for (const double value : random_values(51, kRows * columns, low, high)) {
    matrix.push_back(static_cast<float>(factor * value));
  }
  return matrix;
}

TEST(Gram, StaysWithinItsStatedErrorWhereAllTermsAddUp) {
  for (const std::int64_t columns : {1, 7, 511, 512, 513, 5003, 40000}) {
    expect_within(matrix_of(columns, 0.5, 1, 1), columns, 8e-6);
  }
}

TEST(Gram, StaysWithinItsStatedErrorWhereTermsCancel) {
  for (const std::int64_t columns : {513, 5003}) {
    expect_within(matrix_of(columns, -1, 1, 1), columns, 8e-6);
  }
}

TEST(Gram, TakesProductsThatOverflowAFloat) {
  expect_within(matrix_of(700, -1, 1, 1e30), 700, 8e-6);
}

TEST(Gram, OfEqualRowsIsEqual) {
  std::vector<float> matrix = matrix_of(1531, -1, 1, 1);
  for (std::size_t i = 1531; i < matrix.size(); ++i) matrix[i] = matrix[i - 1531];
  const std::vector<double> gram = gram_of(matrix, 1531, 1);
  for (const double product : gram) EXPECT_EQ(product, gram[0]);
}

}  // namespace
}  // namespace redoubt::test
