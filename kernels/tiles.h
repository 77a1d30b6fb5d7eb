// Register tiles: the innermost loops of convolution, products of matrices and sorting, written
// once with the compiler's vector types and compiled for each instruction set (tiles.cpp,
// sort/tiles.cpp). This header and those files include nothing, so that no inline function of ours
// or of the library is compiled for a machine that others do not have. tiles_choice.h says which
// table to use.
#pragma once

namespace redoubt::kernels {

/// out[m][j] = start[m] + Σ_run Σ_i a[run_offsets[run] + i·rows + m] · b[b_offsets[run·run_length +
/// i] + j] for m < rows, j < width.
struct ProductTile {
  const float* a;                ///< packed: `rows` values for each step
  const float* b;                ///< read where it lies: `width` values for each step
  const long long* b_offsets;    ///< [runs · run_length]
  const float* start;            ///< [rows], e.g. the bias; null: 0
  const long long* run_offsets;  ///< where in `a` each run of steps begins
  int runs;
  int run_length;
  float* out;
  long long out_stride;  ///< between the rows of out
};

/// out[m][j] = Σ_i a[m · a_row + i · a_step] · b[i · b_stride + j] for m < rows, j < width; `add`
/// keeps what is in out and adds to it.
struct MatrixTile {
  const float* a;
  long long a_row;
  long long a_step;
  const float* b;
  long long b_stride;
  int inner;  ///< how many i
  bool add;
  float* out;
  long long out_stride;  ///< between the rows of out
};

/// sums[m · sums_stride + k] += Σ_s Σ_{i < length} a[m·a_stride + s·a_step + i] · b[k][s·b_step +
/// i]
struct DotTile {
  const float* a;
  long long a_stride;
  long long a_step;
  const float* const* b;  ///< one pointer a column
  long long b_step;
  int segments;
  int length;
  float* sums;
  long long sums_stride;
};

/// What is done to rows of values [rows][width], in every column alike. The rows that a step works
/// on are `first`, first + argument, first + 2 · argument and so on, but where another meaning is
/// given.
struct SortStep {
  enum Kind : int {
    exchange,         ///< of two rows the lesser values come first
    merge4,           ///< of 4 rows two sorted halves become one
    merge8,           ///< of 8 rows
    merge16,          ///< of 16 rows
    sort16,           ///< sorts 16 rows that follow one another
    last_two_rounds,  ///< of a merge of `argument` rows, 4 · n, that follow one another
  };
  Kind kind;
  int first;
  int argument;
};

/// What one instruction set offers.
struct Tiles {
  const char* name;
  int width;     ///< columns of a product tile; a narrow one has half of them
  int max_rows;  ///< rows of a product tile, at most
  int dot_rows;  ///< rows of a dot tile, at most
  int dot_columns;
  void (*const* product)(const ProductTile& tile);         ///< [rows - 1]
  void (*const* narrow_product)(const ProductTile& tile);  ///< [rows - 1]
  void (*const* matrix)(const MatrixTile& tile);           ///< [rows - 1]
  void (*const* narrow_matrix)(const MatrixTile& tile);    ///< [rows - 1]
  void (*const* dot)(const DotTile& tile);  ///< [(rows - 1) · dot_columns + columns - 1]
  /// Steps in order on finite values [rows][width]; a zero may change its sign.
  void (*sort_columns)(const SortStep* steps, int count, float* values);
};

namespace tiles_baseline {
extern const Tiles table;
void sort_columns(const SortStep* steps, int count, float* values);
}  // namespace tiles_baseline
namespace tiles_avx2 {
extern const Tiles table;
void sort_columns(const SortStep* steps, int count, float* values);
}  // namespace tiles_avx2
namespace tiles_avx512 {
extern const Tiles table;
void sort_columns(const SortStep* steps, int count, float* values);
}  // namespace tiles_avx512

}  // namespace redoubt::kernels
