#include "kernels/rows.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/column_parts.h"
#include "kernels/multiversion.h"

namespace redoubt::kernels {

namespace {

// Columns are worked on in blocks of this many: small enough for a few rows to sit in the first
// cache, and fixed, so that the order of additions does not depend on the threads.
constexpr std::int64_t kBlock = 2048;

int block_count(std::int64_t columns) { return static_cast<int>((columns + kBlock - 1) / kBlock); }

/// Calls body(first column, columns in the block, block index) for every block.
template <class Body>
void for_blocks(Context& context, std::int64_t columns, const Body& body) {
  parallel_for(block_count(columns), context.threads(), [&](int block, int /*worker*/) {
    const std::int64_t first = block * kBlock;
    body(first, std::min(kBlock, columns - first), block);
  });
}

REDOUBT_MULTIVERSION
void axpy(std::int64_t count, float factor, const float* x, float* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
}

REDOUBT_MULTIVERSION
void add(std::int64_t count, const float* x, const float* y, float* output) {
  for (std::int64_t i = 0; i < count; ++i) output[i] = x[i] + y[i];
}

REDOUBT_MULTIVERSION
void scale(std::int64_t count, float factor, float* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] *= factor;
}

REDOUBT_MULTIVERSION
void axpy_double(std::int64_t count, double factor, const float* x, double* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] += factor * static_cast<double>(x[i]);
}

/// axpy_double of four rows one after the other, y read and written once.
REDOUBT_MULTIVERSION
void axpy_four(std::int64_t count, const double* factors, const float* const* x, double* y) {
  const float* x0 = x[0];
  const float* x1 = x[1];
  const float* x2 = x[2];
  const float* x3 = x[3];
  const double f0 = factors[0];
  const double f1 = factors[1];
  const double f2 = factors[2];
  const double f3 = factors[3];
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    double sum = y[i];
    sum += f0 * static_cast<double>(x0[i]);
    sum += f1 * static_cast<double>(x1[i]);
    sum += f2 * static_cast<double>(x2[i]);
    sum += f3 * static_cast<double>(x3[i]);
    y[i] = sum;
  }
}

REDOUBT_MULTIVERSION
void step_along(std::int64_t count, double factor, double weight, const double* sum, float* row) {
  for (std::int64_t i = 0; i < count; ++i) {
    row[i] = static_cast<float>(static_cast<double>(row[i]) + factor * sum[i] / weight);
  }
}

REDOUBT_MULTIVERSION
double dot(std::int64_t count, const float* a, const float* b) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

REDOUBT_MULTIVERSION
double squared_difference(std::int64_t count, const float* a, const float* b) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return sum;
}

/// The squared distances of four rows to one; alone each would wait for its own sum.
REDOUBT_MULTIVERSION
void squared_differences_of_four(std::int64_t count, const float* const* a, const float* b,
                                 double* sums) {
  const float* a0 = a[0];
  const float* a1 = a[1];
  const float* a2 = a[2];
  const float* a3 = a[3];
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (std::int64_t i = 0; i < count; ++i) {
    const auto centre = static_cast<double>(b[i]);
    const double d0 = static_cast<double>(a0[i]) - centre;
    const double d1 = static_cast<double>(a1[i]) - centre;
    const double d2 = static_cast<double>(a2[i]) - centre;
    const double d3 = static_cast<double>(a3[i]) - centre;
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  const double all[] = {s0, s1, s2, s3};
  std::copy(std::begin(all), std::end(all), sums);
}

REDOUBT_MULTIVERSION
int count_not_finite(std::int64_t count, const float* values) {
  int found = 0;
#pragma omp simd reduction(+ : found)
  // x - x is 0 for finite x and NaN otherwise.
  for (std::int64_t i = 0; i < count; ++i) found += (values[i] - values[i]) == 0 ? 0 : 1;
  return found;
}

/// sum[0, count) += Σ_r weights[r] · matrix[r][first, first + count), rows in ascending order,
/// those of weight 0 left out.
void add_weighted_block(const MatrixShape& shape, std::span<const double> weights,
                        Replicas<const float> matrix, std::int64_t first, std::int64_t count,
                        double* sum) {
  const float* rows[4];
  double factors[4];
  int pending = 0;
  for (int r = 0; r < shape.rows; ++r) {
    const double weight = weights[r];
    if (weight == 0) continue;
    rows[pending] = matrix[r] + first;
    factors[pending++] = weight;
    if (pending < 4) continue;
    axpy_four(count, factors, rows, sum);
    pending = 0;
  }
  for (int i = 0; i < pending; ++i) axpy_double(count, factors[i], rows[i], sum);
}

/// distances[r] += Σ (matrix[r][first + j] - row[j])² over j < count.
void add_squared_distances(const MatrixShape& shape, Replicas<const float> matrix,
                           std::int64_t first, std::int64_t count, const float* row,
                           double* distances) {
  int r = 0;
  for (; r + 4 <= shape.rows; r += 4) {
    const float* const rows[] = {matrix[r] + first, matrix[r + 1] + first, matrix[r + 2] + first,
                                 matrix[r + 3] + first};
    double sums[4];
    squared_differences_of_four(count, rows, row, sums);
    for (int k = 0; k < 4; ++k) distances[r + k] += sums[k];
  }
  for (; r < shape.rows; ++r) distances[r] += squared_difference(count, matrix[r] + first, row);
}

/// sums[r] = Σ over blocks, in their order, of term(r, first column, columns).
template <class Term>
void sum_each_row(Context& context, const MatrixShape& shape, std::span<double> sums,
                  const Term& term) {
  check(std::ssize(sums) == shape.rows, "one sum a row");
  const auto rows = static_cast<std::size_t>(shape.rows);
  std::vector<double> partial(static_cast<std::size_t>(block_count(shape.columns)) * rows);
  for_blocks(context, shape.columns, [&](std::int64_t first, std::int64_t count, int block) {
    for (int r = 0; r < shape.rows; ++r) {
      partial[static_cast<std::size_t>(block) * rows + static_cast<std::size_t>(r)] =
          term(r, first, count);
    }
  });
  std::fill(sums.begin(), sums.end(), 0.0);
  for (std::size_t i = 0; i < partial.size(); ++i) sums[i % rows] += partial[i];
}

}  // namespace

void subtract_row(Context& context, const MatrixShape& shape, const float* row,
                  Replicas<float> matrix) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::subtract_row(context, shape, row, matrix);
  }
  axpy_rows(context, shape, -1, {row, 0}, matrix);
}

void scale_rows(Context& context, const MatrixShape& shape, std::span<const float> factors,
                Replicas<float> matrix) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::scale_rows(context, shape, factors, matrix);
  }
  check(std::ssize(factors) == shape.rows, "one factor a row");
  for_blocks(context, shape.columns, [&](std::int64_t first, std::int64_t count, int) {
    for (int r = 0; r < shape.rows; ++r) {
      scale(count, factors[r], matrix[r] + first);
    }
  });
}

void axpy_rows(Context& context, const MatrixShape& shape, float factor, Replicas<const float> x,
               Replicas<float> y) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::axpy_rows(context, shape, factor, x, y);
  }
  for_blocks(context, shape.columns, [&](std::int64_t first, std::int64_t count, int) {
    for (int r = 0; r < shape.rows; ++r) axpy(count, factor, x[r] + first, y[r] + first);
  });
}

void add_rows(Context& context, const MatrixShape& shape, Replicas<const float> x,
              Replicas<const float> y, Replicas<float> output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::add_rows(context, shape, x, y, output);
  }
  for_blocks(context, shape.columns, [&](std::int64_t first, std::int64_t count, int) {
    for (int r = 0; r < shape.rows; ++r) add(count, x[r] + first, y[r] + first, output[r] + first);
  });
}

void add_weighted_rows(Context& context, const MatrixShape& shape, std::span<const double> weights,
                       Replicas<const float> matrix, double* sum) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::add_weighted_rows(context, shape, weights, matrix, sum);
  }
  check(std::ssize(weights) == shape.rows, "one weight a row");
  for_blocks(context, shape.columns, [&](std::int64_t first, std::int64_t count, int) {
    add_weighted_block(shape, weights, matrix, first, count, sum + first);
  });
}

void weighted_sum_rows(Context& context, const MatrixShape& shape, std::span<const double> weights,
                       Replicas<const float> matrix, float* output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::weighted_sum_rows(context, shape, weights, matrix, output);
  }
  check(std::ssize(weights) == shape.rows, "one weight a row");
  for_blocks(context, shape.columns, [&](std::int64_t first, std::int64_t count, int) {
    double sum[kBlock] = {};
    add_weighted_block(shape, weights, matrix, first, count, sum);
    for (std::int64_t i = 0; i < count; ++i) output[first + i] = static_cast<float>(sum[i]);
  });
}

void add_mean(Context& context, std::int64_t columns, float factor, double weight,
              const double* sum, float* row) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::add_mean(context, columns, factor, weight, sum, row);
  }
  for_blocks(context, columns, [&](std::int64_t first, std::int64_t count, int) {
    step_along(count, static_cast<double>(factor), weight, sum + first, row + first);
  });
}

void squared_norms(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                   std::span<double> norms) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::squared_norms(context, shape, matrix, norms);
  }
  sum_each_row(context, shape, norms, [&](int r, std::int64_t first, std::int64_t count) {
    return dot(count, matrix[r] + first, matrix[r] + first);
  });
}

void squared_distances(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                       const float* row, std::span<double> distances) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::squared_distances(context, shape, matrix, row, distances);
  }
  sum_each_row(context, shape, distances, [&](int r, std::int64_t first, std::int64_t count) {
    return squared_difference(count, matrix[r] + first, row + first);
  });
}

void weighted_sum_and_distances(Context& context, const MatrixShape& shape,
                                std::span<const double> weights, Replicas<const float> matrix,
                                float* output, std::span<double> distances) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      cuda::weighted_sum_rows(context, shape, weights, matrix, output);
      return cuda::squared_distances(context, shape, matrix, output, distances);
    }
  }
  check(std::ssize(weights) == shape.rows && std::ssize(distances) == shape.rows,
        "one weight and one distance a row");
  // A block of a hundred rows stays in the last cache between the two sums.
  const ColumnParts parts(shape.columns, kBlock);
  const auto rows = static_cast<std::size_t>(shape.rows);
  std::vector<double> sums(static_cast<std::size_t>(parts.count) * rows);
  parallel_for(parts.count, context.threads(), [&](int part, int /*worker*/) {
    double* own = sums.data() + static_cast<std::size_t>(part) * rows;
    for (std::int64_t first = parts.first(part); first < parts.end(part); first += kBlock) {
      const std::int64_t count = std::min(kBlock, parts.end(part) - first);
      double sum[kBlock] = {};
      add_weighted_block(shape, weights, matrix, first, count, sum);
      for (std::int64_t i = 0; i < count; ++i) output[first + i] = static_cast<float>(sum[i]);
      add_squared_distances(shape, matrix, first, count, output + first, own);
    }
  });
  std::fill(distances.begin(), distances.end(), 0.0);
  for (std::size_t i = 0; i < sums.size(); ++i) distances[i % rows] += sums[i];
}

void finite_rows(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                 std::span<std::uint8_t> finite) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::finite_rows(context, shape, matrix, finite);
  }
  check(std::ssize(finite) == shape.rows, "one flag a row");
  parallel_for(shape.rows, context.threads(), [&](int r, int /*worker*/) {
    finite[r] = count_not_finite(shape.columns, matrix[r]) == 0 ? 1 : 0;
  });
}

}  // namespace redoubt::kernels
