#include "fl/update_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/check.h"

namespace redoubt {

namespace {

/// Σ over the ranges of what measure(shape, matrix, first column, sums) finds in one.
template <class Measure>
std::vector<double> sum_over_ranges(int rows, kernels::Replicas<const float> matrix,
                                    std::span<const ColumnRange> ranges, int size,
                                    const Measure& measure) {
  check(!ranges.empty(), "an update has columns that count");
  std::vector<double> sums(size);
  std::vector<double> part(sums.size());
  for (const ColumnRange& range : ranges) {
    measure(kernels::MatrixShape{.rows = rows, .columns = range.size}, matrix.offset(range.offset),
            range.offset, std::span(part));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += part[i];
  }
  return sums;
}

std::vector<double> roots(std::vector<double> squares) {
  for (double& square : squares) square = std::sqrt(square);
  return squares;
}

std::vector<double> row_lengths(Context& context, int rows, kernels::Replicas<const float> matrix,
                                std::span<const ColumnRange> ranges) {
  return roots(sum_over_ranges(
      rows, matrix, ranges, rows,
      [&](const auto& shape, auto part, std::int64_t /*first*/, std::span<double> sums) {
        kernels::squared_norms(context, shape, part, sums);
      }));
}

}  // namespace

std::vector<double> UpdateMatrix::lengths(Context& context) const {
  return row_lengths(context, shape.rows, matrix, trained_ranges);
}

std::vector<double> UpdateMatrix::products(Context& context) const {
  return sum_over_ranges(
      shape.rows, matrix, trained_ranges, shape.rows * shape.rows,
      [&](const auto& part, auto columns, std::int64_t /*first*/, std::span<double> sums) {
        kernels::gram(context, part, columns, sums);
      });
}

std::vector<double> UpdateMatrix::squared_distances(Context& context) const {
  const int n = shape.rows;
  std::vector<double> distances = products(context);
  std::vector<double> norms;
  for (int i = 0; i < n; ++i) norms.push_back(distances[i * n + i]);
  // |a - b|² = |a|² + |b|² - 2 a·b
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      const double squared = norms[i] + norms[j] - 2 * distances[i * n + j];
      distances[i * n + j] = i == j ? 0 : std::max(0.0, squared);
    }
  }
  return distances;
}

std::vector<double> UpdateMatrix::mean_and_distances(Context& context,
                                                     std::span<const double> weights,
                                                     float* mean) const {
  return roots(sum_over_ranges(
      shape.rows, matrix, trained_ranges, shape.rows,
      [&](const auto& part, auto columns, std::int64_t first, std::span<double> sums) {
        kernels::weighted_sum_and_distances(context, part, weights, columns, mean + first, sums);
      }));
}

std::vector<float> UpdateMatrix::columns_of(Context& context, int row,
                                            std::span<const ColumnRange> columns) const {
  std::int64_t size = 0;
  for (const ColumnRange& range : columns) size += range.size;
  std::vector<float> values(size);
  float* to = values.data();
  for (const ColumnRange& range : columns) {
    context.copy_to_host(to, matrix[row] + range.offset,
                         static_cast<std::size_t>(range.size) * sizeof(float));
    to += range.size;
  }
  return values;
}

Diagnostics UpdateMatrix::scored(std::vector<double> scores) const {
  return {{kScoredClients, std::vector<std::int64_t>(clients.begin(), clients.end())},
          {kClientScores, std::move(scores)}};
}

double update_length(Context& context, const float* update, std::span<const ColumnRange> ranges) {
  return row_lengths(context, 1, {update, 0}, ranges).front();
}

}  // namespace redoubt
