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

template <int Rows>
void product(const ProductTile& tile) {
  Vector left[Rows];
  Vector right[Rows];
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
    left[m] = all(tile.start == nullptr ? 0.0F : tile.start[m]);
    right[m] = left[m];
  }
  const float* b = tile.b;
  for (int run = 0; run < tile.runs; ++run) {
    const float* a = tile.a + tile.run_offsets[run];
    for (int i = 0; i < tile.run_length; ++i) {
      const Vector b_left = load(b);
      const Vector b_right = load(b + kLanes);
#pragma GCC unroll 16
      for (int m = 0; m < Rows; ++m) {
        const Vector weight = all(a[m]);
        left[m] += weight * b_left;
        right[m] += weight * b_right;
      }
      a += Rows;
      b += kWidth;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
    store(tile.out + m * tile.out_stride, left[m]);
    store(tile.out + m * tile.out_stride + kLanes, right[m]);
  }
}

/// The sum of a vector's lanes, in a fixed order.
inline float lane_sum(Vector value) {
  float lanes[kLanes];
  store(lanes, value);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

template <int Rows, int Columns>
void dot(const DotTile& tile) {
  Vector sums[Rows][Columns] = {};
  float rest[Rows][Columns] = {};
  const int whole = tile.length / kLanes * kLanes;
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
        for (int m = 0; m < Rows; ++m) sums[m][k] += a_values[m] * b_values;
      }
    }
    for (int i = whole; i < tile.length; ++i) {
      for (int m = 0; m < Rows; ++m) {
        for (int k = 0; k < Columns; ++k) rest[m][k] += a[m * tile.a_stride + i] * b[k][i];
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 8
    for (int k = 0; k < Columns; ++k) {
      tile.sums[m * tile.sums_stride + k] += lane_sum(sums[m][k]) + rest[m][k];
    }
  }
}

using Product = void (*)(const ProductTile&);
using Dot = void (*)(const DotTile&);

template <int... Rows>
struct ProductTable {
  static constexpr Product entries[] = {product<Rows>...};
};
template <int... Index>
struct DotTable {
  static constexpr Dot entries[] = {dot<Index / kDotColumns + 1, Index % kDotColumns + 1>...};
};

#if REDOUBT_VECTOR_BYTES == 64
using Products = ProductTable<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
using Dots = DotTable<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#else
using Products = ProductTable<1, 2, 3, 4, 5, 6>;
using Dots = DotTable<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>;
#endif

#define REDOUBT_TEXT_OF(name) #name
#define REDOUBT_TEXT(name) REDOUBT_TEXT_OF(name)

}  // namespace

const Tiles table = {REDOUBT_TEXT(REDOUBT_TILES), kWidth,       kMaxRows, kDotRows, kDotColumns,
                     Products::entries,           Dots::entries};

}  // namespace redoubt::kernels::REDOUBT_TILES
