#include "kernels/rows.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "kernels/check.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"

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

REDOUBT_MULTIVERSION
int count_not_finite(std::int64_t count, const float* values) {
  int found = 0;
#pragma omp simd reduction(+ : found)
  // x - x is 0 for finite x and NaN otherwise.
  for (std::int64_t i = 0; i < count; ++i) found += (values[i] - values[i]) == 0 ? 0 : 1;
  return found;
}

/// The products of rows a[0], a[1] with b[0] to b[3].
REDOUBT_MULTIVERSION
void dot_two_by_four(std::int64_t count, const float* const a[2], const float* const b[4],
                     double* products) {
  const float* a0 = a[0];
  const float* a1 = a[1];
  const float* b0 = b[0];
  const float* b1 = b[1];
  const float* b2 = b[2];
  const float* b3 = b[3];
  double s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
#pragma omp simd reduction(+ : s00, s01, s02, s03, s10, s11, s12, s13)
  for (std::int64_t i = 0; i < count; ++i) {
    const auto x = static_cast<double>(a0[i]);
    const auto y = static_cast<double>(a1[i]);
    const auto p = static_cast<double>(b0[i]);
    const auto q = static_cast<double>(b1[i]);
    const auto r = static_cast<double>(b2[i]);
    const auto s = static_cast<double>(b3[i]);
    s00 += x * p;
    s01 += x * q;
    s02 += x * r;
    s03 += x * s;
    s10 += y * p;
    s11 += y * q;
    s12 += y * r;
    s13 += y * s;
  }
  const double all[] = {s00, s01, s02, s03, s10, s11, s12, s13};
  std::copy(std::begin(all), std::end(all), products);
}

/// gram[i][j] += the products of rows i <= j over some columns, in tiles of 2x4 rows; a tile over
/// the edge repeats the last row and drops what is too much.
void add_products(Replicas<const float> matrix, int rows, std::int64_t first, std::int64_t count,
                  double* gram_matrix) {
  const auto row = [&](int r) { return matrix[std::min(r, rows - 1)] + first; };
  for (int i = 0; i < rows; i += 2) {
    for (int j = i / 4 * 4; j < rows; j += 4) {
      const float* const a[2] = {row(i), row(i + 1)};
      const float* const b[4] = {row(j), row(j + 1), row(j + 2), row(j + 3)};
      double products[8];
      dot_two_by_four(count, a, b, products);
      for (int k = 0; k < 8; ++k) {
        const int r = i + k / 4;
        const int c = j + k % 4;
        if (r < rows && c < rows)
          gram_matrix[static_cast<std::int64_t>(r) * rows + c] += products[k];
      }
    }
  }
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
      scale(count, factors[static_cast<std::size_t>(r)], matrix[r] + first);
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
    for (int r = 0; r < shape.rows; ++r) {
      const double weight = weights[static_cast<std::size_t>(r)];
      if (weight != 0) axpy_double(count, weight, matrix[r] + first, sum + first);
    }
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
    for (int r = 0; r < shape.rows; ++r) {
      const double weight = weights[static_cast<std::size_t>(r)];
      if (weight != 0) axpy_double(count, weight, matrix[r] + first, sum);
    }
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

void gram(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
          std::span<double> gram_matrix) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::gram(context, shape, matrix, gram_matrix);
  }
  const int rows = shape.rows;
  check(std::ssize(gram_matrix) == std::int64_t{rows} * rows, "the Gram matrix is rows x rows");
  const auto cells = gram_matrix.size();
  // Parts of the columns, each with sums of its own that are added in order: every block of columns
  // is read from memory once and then serves all pairs of rows.
  constexpr std::int64_t kMostParts = 64;
  const std::int64_t blocks = block_count(shape.columns);
  const std::int64_t part_blocks =
      std::max<std::int64_t>(1, (blocks + kMostParts - 1) / kMostParts);
  const auto parts = static_cast<int>((blocks + part_blocks - 1) / part_blocks);
  std::vector<double> sums(static_cast<std::size_t>(parts) * cells);
  parallel_for(parts, context.threads(), [&](int part, int /*worker*/) {
    double* own = sums.data() + static_cast<std::size_t>(part) * cells;
    const std::int64_t end = std::min(blocks, (part + 1) * part_blocks);
    for (std::int64_t block = part * part_blocks; block < end; ++block) {
      const std::int64_t first = block * kBlock;
      add_products(matrix, rows, first, std::min(kBlock, shape.columns - first), own);
    }
  });
  std::fill(gram_matrix.begin(), gram_matrix.end(), 0.0);
  for (std::size_t i = 0; i < sums.size(); ++i) gram_matrix[i % cells] += sums[i];
  const auto at = [rows](int i, int j) { return static_cast<std::size_t>(i) * rows + j; };
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < i; ++j) gram_matrix[at(i, j)] = gram_matrix[at(j, i)];
  }
}

void finite_rows(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                 std::span<std::uint8_t> finite) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::finite_rows(context, shape, matrix, finite);
  }
  check(std::ssize(finite) == shape.rows, "one flag a row");
  parallel_for(shape.rows, context.threads(), [&](int r, int /*worker*/) {
    finite[static_cast<std::size_t>(r)] = count_not_finite(shape.columns, matrix[r]) == 0 ? 1 : 0;
  });
}

}  // namespace redoubt::kernels
