// The Gram matrix of a fleet's matrix on CUDA, by the tensor cores' products of doubles: twice the
// rate of other double arithmetic, and a warp holds the sums of 56 rows, so that memory is read
// once.
#include <algorithm>

#include "base/check.h"
#include "kernels/cuda_parts.h"
#include "kernels/instructions.h"
#include "kernels/rows.h"

namespace redoubt::kernels::cuda {

namespace {

constexpr int kTile = 8;         ///< rows of a tensor core's product
constexpr int kMostTiles = 7;    ///< of which a thread's registers hold the sums of all pairs
constexpr int kPairedTiles = 4;  ///< of either side, where that is not enough
constexpr int kGramBlock = 128;
constexpr int kWarps = kGramBlock / kWarp;
constexpr int kLoad = 16;     ///< columns of which a warp loads 8 rows at a time
constexpr int kStride = 256;  ///< columns that a block takes at a time, at most

/// How a Gram matrix is cut: pairs of groups of rows with first <= second, and parts of the
/// columns.
struct GramCut {
  int rows;
  int group_rows;
  int groups;
  int parts;
  std::int64_t part_columns;

  GramCut(const MatrixShape& shape, int tiles)
      : rows(shape.rows),
        group_rows(tiles * kTile),
        groups(static_cast<int>(divide_up(shape.rows, group_rows))) {
    // Six blocks for each multiprocessor of an H100, but no part shorter than 1,024 columns.
    const std::int64_t wanted = std::max<std::int64_t>(792 / pairs(), 1);
    const std::int64_t most = std::clamp<std::int64_t>(shape.columns / 1024, 1, wanted);
    part_columns =
        std::max<std::int64_t>(divide_up(divide_up(shape.columns, most), kStride), 1) * kStride;
    parts = static_cast<int>(std::max<std::int64_t>(divide_up(shape.columns, part_columns), 1));
  }
  std::int64_t pairs() const { return std::int64_t{groups} * (groups + 1) / 2; }
};

/// A row's four columns from `column` on; zeros beyond the end, and of a row that is not there.
template <int kWidth>
__device__ inline Pack<float, 4> load_four(const float* row, std::int64_t column,
                                           std::int64_t end) {
  Pack<float, 4> values = {};
  if (row == nullptr) return values;
  if constexpr (kWidth == 4) {
    if (column < end) values = load<4>(row + column);
  } else {
    for (int j = 0; j < 4; ++j) values.at[j] = column + j < end ? row[column + j] : 0;
  }
  return values;
}

/// The rows of a group that the calling lane loads: one of each tile, null where there is none.
/// Pointers are worked out anew for each load, because registers are short.
struct LaneRows {
  Replicas<const float> from;
  int count;

  __device__ LaneRows(int rows, int first, Replicas<const float> matrix) {
    const int own = first + static_cast<int>(threadIdx.x) % kWarp / 4;
    from = matrix.from(own);
    count = rows - own;
  }
  __device__ const float* operator[](int tile) const {
    return tile * kTile < count ? from[tile * kTile] : nullptr;
  }
};

/// Adds up one tile of the block's warps in ascending order and stores what of it lies in the upper
/// triangle.
__device__ inline void store_tile(const double (&sums)[2], int rows, int first, int second,
                                  double* gram) {
  __shared__ double of_warp[kWarps][kTile * kTile];
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();  // of_warp is free
  of_warp[thread / kWarp][thread % kWarp * 2] = sums[0];
  of_warp[thread / kWarp][thread % kWarp * 2 + 1] = sums[1];
  __syncthreads();
  if (thread >= kTile * kTile) return;
  double sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += of_warp[w][thread];
  const int row = first + thread / kTile;
  const int other = second + thread % kTile;
  if (row <= other && other < rows) gram[static_cast<std::int64_t>(row) * rows + other] = sum;
}

/// The products of two groups of rows over the block's columns; of a group with itself (kSame) the
/// tiles on and above the diagonal. The sum over columns may be taken in any order, so that a lane
/// loads four columns of a row at once and gives one after the other to the products.
template <int kTiles, int kWidth, bool kSame>
__device__ void multiply_groups(const GramCut& cut, std::int64_t columns, int first, int second,
                                Replicas<const float> matrix, double* gram) {
  constexpr int kLoads = kTiles <= 2 ? 4 : (kTiles <= 4 && kSame ? 2 : 1);  // of a row, in flight
  static_assert(kWarps * kLoads * kLoad <= kStride);
  const LaneRows left_rows(cut.rows, first, matrix);
  const LaneRows right_rows(cut.rows, second, matrix);
  const std::int64_t begin = blockIdx.y * cut.part_columns;
  const std::int64_t end = begin + cut.part_columns < columns ? begin + cut.part_columns : columns;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int own_column = static_cast<int>(threadIdx.x) % 4 * 4;
  double sums[kTiles][kTiles][2] = {};
  for (std::int64_t column = begin + warp * kLoads * kLoad; column < end;
       column += kWarps * kLoads * kLoad) {
    Pack<float, 4> left[kLoads][kTiles];
    Pack<float, 4> right[kLoads][kTiles];
#pragma unroll
    for (int n = 0; n < kLoads; ++n) {
      const std::int64_t at = column + n * kLoad + own_column;
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        left[n][t] = load_four<kWidth>(left_rows[t], at, end);
        right[n][t] = kSame ? left[n][t] : load_four<kWidth>(right_rows[t], at, end);
      }
    }
#pragma unroll
    for (int step = 0; step < kLoads * 4; ++step) {
      double a[kTiles];
      double b[kTiles];
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        a[t] = static_cast<double>(left[step / 4][t].at[step % 4]);
        b[t] = kSame ? a[t] : static_cast<double>(right[step / 4][t].at[step % 4]);
      }
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
#pragma unroll
        for (int j = kSame ? i : 0; j < kTiles; ++j) multiply_add_double(sums[i][j], a[i], b[j]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int j = kSame ? i : 0; j < kTiles; ++j) {
      store_tile(sums[i][j], cut.rows, first + i * kTile, second + j * kTile, gram);
    }
  }
}

/// A block multiplies one pair of groups over one part of the columns. 4 bytes an element where the
/// rows are one group (up to 56), else as many times that as there are groups, and half of these
/// from the L2 cache. Floor: tiles · (tiles + 1) / 2 · 64 · columns multiply-adds of doubles by the
/// tensor cores. part_grams [parts][rows][rows].
template <int kTiles, int kWidth, bool kOneGroup>
__global__ void __launch_bounds__(kGramBlock, kTiles == kMostTiles ? 2 : 3)
    multiply_rows(GramCut cut, std::int64_t columns, Replicas<const float> matrix,
                  double* part_grams) {
  double* gram = part_grams + static_cast<std::int64_t>(blockIdx.y) * cut.rows * cut.rows;
  if constexpr (kOneGroup) {
    multiply_groups<kTiles, kWidth, true>(cut, columns, 0, 0, matrix, gram);
  } else {
    int group = 0;
    int further = static_cast<int>(blockIdx.x);
    while (further >= cut.groups - group) {
      further -= cut.groups - group;
      ++group;
    }
    const int first = group * cut.group_rows;
    const int second = (group + further) * cut.group_rows;
    if (further == 0) {
      multiply_groups<kTiles, kWidth, true>(cut, columns, first, second, matrix, gram);
    } else {
      multiply_groups<kTiles, kWidth, false>(cut, columns, first, second, matrix, gram);
    }
  }
}

constexpr int kCells = 8;  ///< of a Gram matrix, that a block adds up
constexpr int kSlices = kBlock / kCells;

/// Adds up the parts, slice by slice and then the slices in ascending order, and mirrors the upper
/// triangle. 8 bytes for each cell of a part, twice.
__global__ void add_gram_parts(int rows, int parts, const double* part_grams, double* gram) {
  __shared__ double of_slice[kSlices][kCells];
  const int slice = static_cast<int>(threadIdx.x) / kCells;
  const int own = static_cast<int>(threadIdx.x) % kCells;
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kCells + own;
  const std::int64_t cells = std::int64_t{rows} * rows;
  const std::int64_t row = at / rows;
  const std::int64_t other = at % rows;
  const std::int64_t upper = row <= other ? at : other * rows + row;
  double sum = 0;
#pragma unroll 8
  for (int p = slice; p < parts; p += kSlices) {
    if (at < cells) sum += part_grams[p * cells + upper];
  }
  of_slice[slice][own] = sum;
  __syncthreads();
  if (slice > 0 || at >= cells) return;
  for (int s = 1; s < kSlices; ++s) sum += of_slice[s][own];
  gram[at] = sum;
}

template <int kTiles, bool kOneGroup>
void multiply(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
              std::span<double> gram_matrix) {
  const GramCut cut(shape, kTiles);
  const std::size_t cells = gram_matrix.size();
  auto* sums = context.scratch_of<double>(cells * (1 + static_cast<std::size_t>(cut.parts)));
  double* part_grams = sums + cells;
  with_pack_width(
      shape.columns,
      [&](auto width) {
        constexpr int kWidth = width == 4 ? 4 : 1;
        launch(context, "gram",
               {.grid = {grid_extent(cut.pairs(), kMostBlocks), grid_extent(cut.parts)},
                .block = {kGramBlock}},
               multiply_rows<kTiles, kWidth, kOneGroup>, cut, shape.columns, matrix, part_grams);
      },
      matrix);
  launch(context, "add_gram_parts",
         {.grid = {grid_extent(divide_up(static_cast<std::int64_t>(cells), kCells), kMostBlocks)},
          .block = {kBlock}},
         add_gram_parts, shape.rows, cut.parts, static_cast<const double*>(part_grams), sums);
  context.copy_to_host(gram_matrix.data(), sums, gram_matrix.size_bytes());
}

}  // namespace

void gram(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
          std::span<double> gram_matrix) {
  check(std::ssize(gram_matrix) == std::int64_t{shape.rows} * shape.rows,
        "the Gram matrix is rows x rows");
  if (gram_matrix.empty()) return;
  if (shape.rows > kMostTiles * kTile) {
    return multiply<kPairedTiles, false>(context, shape, matrix, gram_matrix);
  }
  if (shape.rows > 4 * kTile) {
    return multiply<kMostTiles, true>(context, shape, matrix, gram_matrix);
  }
  if (shape.rows > 2 * kTile) return multiply<4, true>(context, shape, matrix, gram_matrix);
  multiply<2, true>(context, shape, matrix, gram_matrix);
}

}  // namespace redoubt::kernels::cuda
