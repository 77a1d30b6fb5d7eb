// Compiled once for each instruction set, which defines REDOUBT_TILES to its namespace and
// REDOUBT_VECTOR_BYTES to its vectors' size. See tiles.h.
#include "kernels/tiles.h"

namespace redoubt::kernels::REDOUBT_TILES {

namespace {

constexpr int kLanes = REDOUBT_VECTOR_BYTES / 4;
// Two vectors wide; as many rows as leave registers for two columns of B and one broadcast.
constexpr int kRegisters = REDOUBT_VECTOR_BYTES == 64 ? 32 : 16;
constexpr int kMaxRows = kRegisters == 32 ? 12 : 6;
constexpr int kWidth = 2 * kLanes;
constexpr int kDotRows = kRegisters == 32 ? 4 : 3;
constexpr int kDotColumns = 4;

typedef float Vector __attribute__((vector_size(REDOUBT_VECTOR_BYTES)));
typedef float Unaligned __attribute__((vector_size(REDOUBT_VECTOR_BYTES), aligned(4)));

inline Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }
inline Vector all(float number) { return number - Vector{}; }

template <int Rows, int Vectors>
void product(const ProductTile& tile) {
  Vector sums[Rows][Vectors];
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v)
      sums[m][v] = all(tile.start == nullptr ? 0.0F : tile.start[m]);
  }
  const long long* b_offset = tile.b_offsets;
  for (int run = 0; run < tile.runs; ++run) {
    const float* a = tile.a + tile.run_offsets[run];
    for (int i = 0; i < tile.run_length; ++i) {
      const float* b = tile.b + *b_offset++;
      Vector b_values[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) b_values[v] = load(b + v * kLanes);
#pragma GCC unroll 16
      for (int m = 0; m < Rows; ++m) {
        const Vector weight = all(a[m]);
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sums[m][v] += weight * b_values[v];
      }
      a += Rows;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      store(tile.out + m * tile.out_stride + v * kLanes, sums[m][v]);
    }
  }
}

template <int Rows, int Vectors>
void matrix(const MatrixTile& tile) {
  Vector sums[Rows][Vectors] = {};
  if (tile.add) {
#pragma GCC unroll 16
    for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) {
        sums[m][v] = load(tile.out + m * tile.out_stride + v * kLanes);
      }
    }
  }
  const float* a[Rows];
  for (int m = 0; m < Rows; ++m) a[m] = tile.a + m * tile.a_row;
  const float* b = tile.b;
  long long at = 0;
  for (int i = 0; i < tile.inner; ++i) {
    Vector b_values[Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) b_values[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < Rows; ++m) {
      const Vector factor = all(a[m][at]);
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sums[m][v] += factor * b_values[v];
    }
    at += tile.a_step;
    b += tile.b_stride;
  }
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      store(tile.out + m * tile.out_stride + v * kLanes, sums[m][v]);
    }
  }
}

typedef int Lanes __attribute__((vector_size(REDOUBT_VECTOR_BYTES)));

/// For each lane of a merged vector, the lane of (x, y) that its first or second summand comes
/// from: the vectors are rows of blocks of 2 · half lanes, and each block becomes one of half
/// lanes.
inline Lanes merged_from(int half, int which) {
  Lanes lanes = {};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) lanes[i] = i / half * 2 * half + which * half + i % half;
  return lanes;
}

/// Lane i is lane from[i] of x and y side by side.
[[gnu::always_inline]] inline Vector shuffled(Vector x, Vector y, Lanes from) {
#if defined(__clang__)
  Vector picked = {};
  for (int i = 0; i < kLanes; ++i) picked[i] = from[i] < kLanes ? x[from[i]] : y[from[i] - kLanes];
  return picked;
#else
  return __builtin_shuffle(x, y, from);
#endif
}

/// vectors[0][i] becomes the sum of the lanes of vectors[i], in a fixed order.
template <int Half = kLanes / 2>
inline void sum_lanes(Vector* vectors) {
  const Lanes first = merged_from(Half, 0);
  const Lanes second = merged_from(Half, 1);
#pragma GCC unroll 16
  for (int i = 0; i < Half; ++i) {
    const Vector x = vectors[2 * i];
    const Vector y = vectors[2 * i + 1];
    vectors[i] = shuffled(x, y, first) + shuffled(x, y, second);
  }
  if constexpr (Half > 1) sum_lanes<Half / 2>(vectors);
}

/// Loads with the first lanes set to 0 where `keep` says so.
inline Vector load_kept(const float* from, Lanes keep) {
  return reinterpret_cast<Vector>(reinterpret_cast<Lanes>(load(from)) & keep);
}

/// The last `count` lanes all ones, the others 0.
inline Lanes last_lanes(int count) {
  Lanes lanes = {};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) lanes[i] = i >= kLanes - count ? -1 : 0;
  return lanes;
}

template <int Rows, int Columns>
void dot(const DotTile& tile) {
  constexpr int kSums = (Rows * Columns + kLanes - 1) / kLanes * kLanes;
  Vector sums[kSums] = {};
  float rest[Rows][Columns] = {};
  const int whole = tile.length / kLanes * kLanes;
  // A ragged end is read with the vector before it, whose lanes then do not count again.
  const bool ragged = whole < tile.length && whole > 0;
  const Lanes keep = last_lanes(tile.length - whole);
  for (int s = 0; s < tile.segments; ++s) {
    const float* a = tile.a + s * tile.a_step;
    const float* b[Columns];
    for (int k = 0; k < Columns; ++k) b[k] = tile.b[k] + s * tile.b_step;
    for (int i = 0; i < whole; i += kLanes) {
      Vector a_values[Rows];
#pragma GCC unroll 8
      for (int m = 0; m < Rows; ++m) a_values[m] = load(a + m * tile.a_stride + i);
#pragma GCC unroll 8
      for (int k = 0; k < Columns; ++k) {
        const Vector b_values = load(b[k] + i);
#pragma GCC unroll 8
        for (int m = 0; m < Rows; ++m) sums[m * Columns + k] += a_values[m] * b_values;
      }
    }
    if (ragged) {
      const int i = tile.length - kLanes;
      for (int k = 0; k < Columns; ++k) {
        const Vector b_values = load_kept(b[k] + i, keep);
#pragma GCC unroll 8
        for (int m = 0; m < Rows; ++m) {
          sums[m * Columns + k] += load_kept(a + m * tile.a_stride + i, keep) * b_values;
        }
      }
    } else {
      for (int i = whole; i < tile.length; ++i) {
        for (int m = 0; m < Rows; ++m) {
          for (int k = 0; k < Columns; ++k) rest[m][k] += a[m * tile.a_stride + i] * b[k][i];
        }
      }
    }
  }
  float totals[kSums];
#pragma GCC unroll 4
  for (int first = 0; first < kSums; first += kLanes) {
    sum_lanes(sums + first);
    store(totals + first, sums[first]);
  }
  for (int m = 0; m < Rows; ++m) {
    for (int k = 0; k < Columns; ++k) {
      tile.sums[m * tile.sums_stride + k] += totals[m * Columns + k] + rest[m][k];
    }
  }
}

using Product = void (*)(const ProductTile&);
using Matrix = void (*)(const MatrixTile&);
using Dot = void (*)(const DotTile&);

template <int Vectors, int... Rows>
struct ProductTable {
  static constexpr Product entries[] = {product<Rows, Vectors>...};
};
template <int Vectors, int... Rows>
struct MatrixTable {
  static constexpr Matrix entries[] = {matrix<Rows, Vectors>...};
};
template <int... Index>
struct DotTable {
  static constexpr Dot entries[] = {dot<Index / kDotColumns + 1, Index % kDotColumns + 1>...};
};

#if REDOUBT_VECTOR_BYTES == 64
using Products = ProductTable<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
using NarrowProducts = ProductTable<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
using Matrices = MatrixTable<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
using NarrowMatrices = MatrixTable<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
using Dots = DotTable<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#else
using Products = ProductTable<2, 1, 2, 3, 4, 5, 6>;
using NarrowProducts = ProductTable<1, 1, 2, 3, 4, 5, 6>;
using Matrices = MatrixTable<2, 1, 2, 3, 4, 5, 6>;
using NarrowMatrices = MatrixTable<1, 1, 2, 3, 4, 5, 6>;
using Dots = DotTable<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>;
#endif

#define REDOUBT_TEXT_OF(name) #name
#define REDOUBT_TEXT(name) REDOUBT_TEXT_OF(name)

}  // namespace

const Tiles table = {.name = REDOUBT_TEXT(REDOUBT_TILES),
                     .width = kWidth,
                     .max_rows = kMaxRows,
                     .dot_rows = kDotRows,
                     .dot_columns = kDotColumns,
                     .product = Products::entries,
                     .narrow_product = NarrowProducts::entries,
                     .matrix = Matrices::entries,
                     .narrow_matrix = NarrowMatrices::entries,
                     .dot = Dots::entries,
                     .sort_columns = sort_columns};

}  // namespace redoubt::kernels::REDOUBT_TILES
