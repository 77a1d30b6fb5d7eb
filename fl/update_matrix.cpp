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

namespace {

/// The same for each row that is no longer than the median one, else 0; 1 together.
std::vector<double> weights_of_short(const std::vector<double>& lengths) {
  std::vector<double> sorted = lengths;
  const auto middle = sorted.begin() + (std::ssize(sorted) - 1) / 2;
  std::nth_element(sorted.begin(), middle, sorted.end());
  const auto is_short = [longest = *middle](double length) { return length <= longest; };
  const auto count = static_cast<double>(std::count_if(lengths.begin(), lengths.end(), is_short));
  std::vector<double> weights;
  for (const double length : lengths) weights.push_back(is_short(length) ? 1 / count : 0);
  return weights;
}

/// Some columns of all rows less the short rows' mean there: what all have in common is no
/// distance, and would take the digits of the differences, as would a mean that a huge row has
/// moved.
class CentredBlock {
 public:
  CentredBlock(Context& context, const std::vector<double>& lengths, std::int64_t columns)
      : context_(context),
        weights_(weights_of_short(lengths)),
        block_(context.device(), std::ssize(lengths) * columns),
        mean_(context.device(), columns),
        columns_(columns) {}

  /// At most as many columns as the block has.
  kernels::Replicas<const float> of(const kernels::MatrixShape& shape,
                                    kernels::Replicas<const float> matrix) {
    for (int r = 0; r < shape.rows; ++r) {
      context_.copy_on_device(block_.data() + r * columns_, matrix[r],
                              static_cast<std::size_t>(shape.columns) * sizeof(float));
    }
    kernels::weighted_sum_rows(context_, shape, weights_, matrix, mean_.data());
    kernels::subtract_row(context_, shape, mean_.data(), block_.replicas(columns_));
    return block_.replicas(columns_);
  }

 private:
  Context& context_;
  std::vector<double> weights_;
  Buffer<float> block_;  ///< [rows x columns]
  Buffer<float> mean_;   ///< [columns]
  std::int64_t columns_;
};

/// Columns that are centred at once, so that no second matrix is needed: a multiple of what gram()
/// adds up at once.
constexpr std::int64_t kCentredAtOnce = std::int64_t{1} << 16;

/// The ranges cut into pieces of at most so many columns.
std::vector<ColumnRange> pieces_of(std::span<const ColumnRange> ranges, std::int64_t most) {
  std::vector<ColumnRange> pieces;
  for (const ColumnRange& range : ranges) {
    for (std::int64_t first = 0; first < range.size; first += most) {
      pieces.push_back(
          {.offset = range.offset + first, .size = std::min(most, range.size - first)});
    }
  }
  return pieces;
}

}  // namespace

std::vector<double> UpdateMatrix::squared_distances(Context& context) const {
  const int n = shape.rows;
  const std::vector<ColumnRange> pieces = pieces_of(trained_ranges, kCentredAtOnce);
  std::int64_t widest = 0;
  for (const ColumnRange& piece : pieces) widest = std::max(widest, piece.size);
  CentredBlock centred(context, lengths(context), widest);
  std::vector<double> distances = sum_over_ranges(
      n, matrix, pieces, n * n,
      [&](const auto& part, auto columns, std::int64_t /*first*/, std::span<double> sums) {
        kernels::gram(context, part, centred.of(part, columns), sums);
      });
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

Buffer<float> UpdateMatrix::combined(Context& context, std::span<const double> weights,
                                     std::span<const double> shares) const {
  Buffer<float> sum(context.device(), shape.columns);
  const auto add = [&](std::span<const ColumnRange> ranges, std::span<const double> factors) {
    for (const ColumnRange& range : ranges) {
      kernels::weighted_sum_rows(context, {.rows = shape.rows, .columns = range.size}, factors,
                                 matrix.offset(range.offset), sum.data() + range.offset);
    }
  };
  add(trained_ranges, weights);
  add(statistic_ranges, shares);
  return sum;
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
