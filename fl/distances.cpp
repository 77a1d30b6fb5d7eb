#include "fl/distances.h"

#include <cmath>

namespace redoubt {

namespace {

/// Σ over the ranges of what measure(shape, matrix, first column, sums) finds in one.
template <class Measure>
std::vector<double> sum_over_ranges(const MeasuredRows& rows, std::size_t size,
                                    const Measure& measure) {
  const ColumnRange all = {.offset = 0, .size = rows.shape.columns};
  const auto ranges = rows.trained.empty() ? std::span(&all, 1) : rows.trained;
  std::vector<double> sums(size);
  std::vector<double> part(size);
  for (const ColumnRange& range : ranges) {
    measure(kernels::MatrixShape{.rows = rows.shape.rows, .columns = range.size},
            rows.matrix.offset(range.offset), range.offset, std::span(part));
    for (std::size_t i = 0; i < size; ++i) sums[i] += part[i];
  }
  return sums;
}

std::vector<double> roots(std::vector<double> squares) {
  for (double& square : squares) square = std::sqrt(square);
  return squares;
}

}  // namespace

std::vector<double> lengths(Context& context, const MeasuredRows& rows) {
  return roots(sum_over_ranges(
      rows, static_cast<std::size_t>(rows.shape.rows),
      [&](const auto& shape, auto matrix, std::int64_t /*first*/, std::span<double> sums) {
        kernels::squared_norms(context, shape, matrix, sums);
      }));
}

std::vector<double> mean_and_distances(Context& context, const MeasuredRows& rows,
                                       std::span<const double> weights, float* mean) {
  return roots(sum_over_ranges(
      rows, static_cast<std::size_t>(rows.shape.rows),
      [&](const auto& shape, auto matrix, std::int64_t first, std::span<double> sums) {
        kernels::weighted_sum_and_distances(context, shape, weights, matrix, mean + first, sums);
      }));
}

std::vector<double> products(Context& context, const MeasuredRows& rows) {
  const auto count = static_cast<std::size_t>(rows.shape.rows);
  return sum_over_ranges(
      rows, count * count,
      [&](const auto& shape, auto matrix, std::int64_t /*first*/, std::span<double> sums) {
        kernels::gram(context, shape, matrix, sums);
      });
}

}  // namespace redoubt
