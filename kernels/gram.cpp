#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/column_parts.h"
#include "kernels/rows.h"
#include "kernels/tiles_choice.h"

namespace redoubt::kernels {

namespace {

/// Columns that are summed in float. rows.h has the error that comes of it.
constexpr int kColumns = 512;

double product(std::int64_t count, const float* a, const float* b) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

/// gram[i][j] += the products of rows i <= j over some columns, tile by tile of rows; what lies
/// below the diagonal of a tile is computed and dropped.
void add_products(const Tiles& tiles, Replicas<const float> matrix, int rows, std::int64_t first,
                  int count, double* gram_matrix) {
  constexpr int kMostRows = 4;
  constexpr int kMostColumns = 4;
  check(tiles.dot_rows <= kMostRows && tiles.dot_columns <= kMostColumns, "tiles of 4x4 at most");
  for (int j = 0; j < rows; j += tiles.dot_columns) {
    const int width = std::min(tiles.dot_columns, rows - j);
    const float* b[kMostColumns];
    for (int k = 0; k < width; ++k) b[k] = matrix[j + k] + first;
    for (int i = 0; i < j + width; i += tiles.dot_rows) {
      const int height = std::min(tiles.dot_rows, rows - i);
      float sums[kMostRows * kMostColumns] = {};
      tiles.dot[(height - 1) * tiles.dot_columns + width - 1]({.a = matrix[i] + first,
                                                               .a_stride = matrix.pitch,
                                                               .a_step = 0,
                                                               .b = b,
                                                               .b_step = 0,
                                                               .segments = 1,
                                                               .length = count,
                                                               .sums = sums,
                                                               .sums_stride = width});
      for (int m = 0; m < height; ++m) {
        for (int k = std::max(0, i + m - j); k < width; ++k) {
          const float sum = sums[m * width + k];
          gram_matrix[static_cast<std::int64_t>(i + m) * rows + j + k] +=
              std::isfinite(sum) ? static_cast<double>(sum)
                                 : product(count, matrix[i + m] + first, b[k]);
        }
      }
    }
  }
}

}  // namespace

void gram(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
          std::span<double> gram_matrix) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::gram(context, shape, matrix, gram_matrix);
  }
  const int rows = shape.rows;
  check(std::ssize(gram_matrix) == std::int64_t{rows} * rows, "the Gram matrix is rows x rows");
  const auto cells = gram_matrix.size();
  // Every block of columns is read from memory once and then serves all pairs of rows.
  const ColumnParts parts(shape.columns, kColumns);
  std::vector<double> sums(static_cast<std::size_t>(parts.count) * cells);
  parallel_for(parts.count, context.threads(), [&](int part, int /*worker*/) {
    double* own = sums.data() + static_cast<std::size_t>(part) * cells;
    for (std::int64_t first = parts.first(part); first < parts.end(part); first += kColumns) {
      const auto count =
          static_cast<int>(std::min<std::int64_t>(kColumns, parts.end(part) - first));
      add_products(tiles(), matrix, rows, first, count, own);
    }
  });
  std::fill(gram_matrix.begin(), gram_matrix.end(), 0.0);
  for (std::size_t i = 0; i < sums.size(); ++i) gram_matrix[i % cells] += sums[i];
  const auto at = [rows](int i, int j) { return static_cast<std::size_t>(i) * rows + j; };
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < i; ++j) gram_matrix[at(i, j)] = gram_matrix[at(j, i)];
  }
}

}  // namespace redoubt::kernels
