#include "kernels/gemm.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/tiles_choice.h"

namespace redoubt::kernels {

namespace {

/// Steps of the sum that are taken at once: what a tile's columns read of B should stay in the
/// second cache while all rows of A pass.
constexpr int kInnerBlock = 2048;

/// One replica's product, B lying in rows.
struct Product {
  const float* a;
  std::int64_t a_row;   ///< between rows of op(A)
  std::int64_t a_step;  ///< between its columns
  const float* b;
  std::int64_t b_stride;
  float* c;
  std::int64_t c_stride;
};

/// C's columns [column, column + width), for steps [first, first + inner) of the sum.
void multiply_columns(const Product& p, const RowTiles& rows, int first, int inner, int column,
                      void (*const* matrix)(const MatrixTile&)) {
  for (int t = 0; t < rows.tiles; ++t) {
    matrix[rows.height(t) - 1]({.a = p.a + rows.first(t) * p.a_row + first * p.a_step,
                                .a_row = p.a_row,
                                .a_step = p.a_step,
                                .b = p.b + first * p.b_stride + column,
                                .b_stride = p.b_stride,
                                .inner = inner,
                                .add = first > 0,
                                .out = p.c + rows.first(t) * p.c_stride + column,
                                .out_stride = p.c_stride});
  }
}

typedef float Four __attribute__((vector_size(16)));
typedef float UnalignedFour __attribute__((vector_size(16), aligned(4)));

/// to[j][i] = from[i][j] for i, j < 4.
void transpose_four(const float* from, std::int64_t from_stride, float* to,
                    std::int64_t to_stride) {
  Four row[4];
  for (int i = 0; i < 4; ++i) {
    row[i] = *reinterpret_cast<const UnalignedFour*>(from + i * from_stride);
  }
  const Four lower_even = __builtin_shufflevector(row[0], row[2], 0, 4, 1, 5);
  const Four upper_even = __builtin_shufflevector(row[0], row[2], 2, 6, 3, 7);
  const Four lower_odd = __builtin_shufflevector(row[1], row[3], 0, 4, 1, 5);
  const Four upper_odd = __builtin_shufflevector(row[1], row[3], 2, 6, 3, 7);
  const Four column[4] = {__builtin_shufflevector(lower_even, lower_odd, 0, 4, 1, 5),
                          __builtin_shufflevector(lower_even, lower_odd, 2, 6, 3, 7),
                          __builtin_shufflevector(upper_even, upper_odd, 0, 4, 1, 5),
                          __builtin_shufflevector(upper_even, upper_odd, 2, 6, 3, 7)};
  for (int j = 0; j < 4; ++j) {
    *reinterpret_cast<UnalignedFour*>(to + j * to_stride) = column[j];
  }
}

/// to[j][i] = from[i][j]. In parts of few columns, as rows of `to` may lie a power of two apart and
/// then push each other out of the cache.
void transpose(int rows, int columns, const float* from, std::int64_t stride, float* to) {
  constexpr int kRows = 64;
  for (int i0 = 0; i0 < rows; i0 += kRows) {
    const int end = std::min(i0 + kRows, rows);
    const int whole = i0 + (end - i0) / 4 * 4;
    for (int j0 = 0; j0 < columns; j0 += 4) {
      const int last = std::min(j0 + 4, columns);
      int i = i0;
      for (; last - j0 == 4 && i < whole; i += 4) {
        transpose_four(from + i * stride + j0, stride, to + std::int64_t{j0} * rows + i, rows);
      }
      for (; i < end; ++i) {
        for (int j = j0; j < last; ++j) to[std::int64_t{j} * rows + i] = from[i * stride + j];
      }
    }
  }
}

/// C's columns from `column` on, fewer than a tile has: B and C get copies that are as wide.
void multiply_narrow(const GemmShape& s, const Product& p, const RowTiles& rows, int column,
                     float* memory) {
  const Tiles& tile = tiles();
  const int count = s.columns - column;
  const bool half = count <= tile.width / 2;
  const int width = half ? tile.width / 2 : tile.width;
  float* wide_b = memory;
  float* wide_c = wide_b + std::int64_t{s.inner} * width;
  for (int k = 0; k < s.inner; ++k) {
    float* to = wide_b + std::int64_t{k} * width;
    std::copy_n(p.b + k * p.b_stride + column, count, to);
    std::fill(to + count, to + width, 0.0F);
  }
  const Product wide = {p.a, p.a_row, p.a_step, wide_b, width, wide_c, width};
  multiply_columns(wide, rows, 0, s.inner, 0, half ? tile.narrow_matrix : tile.matrix);
  for (int i = 0; i < s.rows; ++i) {
    std::copy_n(wide_c + std::int64_t{i} * width, count, p.c + i * p.c_stride + column);
  }
}

void gemm_one(const GemmShape& s, const float* a, const float* b, float* c, float* memory) {
  const Tiles& tile = tiles();
  const RowTiles rows(s.rows, tile.max_rows);
  Product p = {.a = a,
               .a_row = s.transpose_a ? 1 : s.a_stride,
               .a_step = s.transpose_a ? s.a_stride : 1,
               .b = b,
               .b_stride = s.b_stride,
               .c = c,
               .c_stride = s.c_stride};
  if (s.transpose_b) {
    transpose(s.columns, s.inner, b, s.b_stride, memory);
    p.b = memory;
    p.b_stride = s.columns;
    memory += std::int64_t{s.inner} * s.columns;
  }
  const int whole = s.columns / tile.width * tile.width;
  for (int first = 0; first < s.inner; first += kInnerBlock) {
    const int inner = std::min(kInnerBlock, s.inner - first);
    for (int column = 0; column < whole; column += tile.width) {
      multiply_columns(p, rows, first, inner, column, tile.matrix);
    }
  }
  if (whole < s.columns) multiply_narrow(s, p, rows, whole, memory);
}

}  // namespace

void gemm(Context& context, const GemmShape& shape, Replicas<const float> a,
          Replicas<const float> b, Replicas<float> c) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::gemm(context, shape, a, b, c);
  }
  check(shape.replicas == 1 || c.pitch != 0, "replicas do not share a result");
  check(shape.rows >= 1 && shape.columns >= 1 && shape.inner >= 1, "a product has elements");
  const auto width = static_cast<std::size_t>(tiles().width);
  const auto inner = static_cast<std::size_t>(shape.inner);
  const std::size_t transposed =
      shape.transpose_b ? inner * static_cast<std::size_t>(shape.columns) : 0;
  auto* memory = context.scratch_of<float>(transposed +
                                           (inner + static_cast<std::size_t>(shape.rows)) * width);
  for (int r = 0; r < shape.replicas; ++r) gemm_one(shape, a[r], b[r], c[r], memory);
}

}  // namespace redoubt::kernels
