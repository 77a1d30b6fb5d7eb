// Compiled once for each instruction set, as kernels/tiles.cpp is, for finite values whose zeros
// have no sign: only then is a compare and exchange one minimum and one maximum. See
// kernels/tiles.h.
#include "kernels/tiles.h"

namespace redoubt::kernels::REDOUBT_TILES {

namespace {

constexpr int kLanes = REDOUBT_VECTOR_BYTES / 4;
constexpr int kWidth = 2 * kLanes;

typedef float Vector __attribute__((vector_size(REDOUBT_VECTOR_BYTES)));
typedef float Unaligned __attribute__((vector_size(REDOUBT_VECTOR_BYTES), aligned(4)));

inline Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }

inline void exchange(Vector& a, Vector& b) {
  const Vector low = a < b ? a : b;
  b = a < b ? b : a;
  a = low;
}

struct Pair {
  int low;
  int high;
};

/// Exchanges in order, on values that stay in registers.
template <int Count>
inline void exchange_all(const Pair (&pairs)[Count], Vector* values) {
#pragma GCC unroll 64
  for (int i = 0; i < Count; ++i) exchange(values[pairs[i].low], values[pairs[i].high]);
}

/// Odd-even merges (Knuth, section 5.2.2) of two sorted halves.
constexpr Pair kMerge4[] = {{0, 2}, {1, 3}, {1, 2}};
constexpr Pair kMerge8[] = {{0, 4}, {1, 5}, {2, 6}, {3, 7}, {2, 4}, {3, 5}, {1, 2}, {3, 4}, {5, 6}};
constexpr Pair kMerge16[] = {{0, 8},  {1, 9},  {2, 10},  {3, 11},  {4, 12}, {5, 13}, {6, 14},
                             {7, 15}, {4, 8},  {5, 9},   {6, 10},  {7, 11}, {2, 4},  {3, 5},
                             {6, 8},  {7, 9},  {10, 12}, {11, 13}, {1, 2},  {3, 4},  {5, 6},
                             {7, 8},  {9, 10}, {11, 12}, {13, 14}};
/// Green's network of 60 exchanges (Knuth, section 5.3.4).
constexpr Pair kSort16[] = {
    {0, 1},   {2, 3},   {4, 5},   {6, 7},   {8, 9},  {10, 11}, {12, 13}, {14, 15}, {0, 2},  {4, 6},
    {8, 10},  {12, 14}, {1, 3},   {5, 7},   {9, 11}, {13, 15}, {0, 4},   {8, 12},  {1, 5},  {9, 13},
    {2, 6},   {10, 14}, {3, 7},   {11, 15}, {0, 8},  {1, 9},   {2, 10},  {3, 11},  {4, 12}, {5, 13},
    {6, 14},  {7, 15},  {5, 10},  {6, 9},   {3, 12}, {13, 14}, {4, 8},   {7, 11},  {1, 2},  {1, 4},
    {7, 13},  {2, 8},   {11, 14}, {2, 4},   {5, 6},  {9, 10},  {11, 13}, {3, 8},   {7, 12}, {6, 8},
    {10, 12}, {3, 5},   {7, 9},   {3, 4},   {5, 6},  {7, 8},   {9, 10},  {11, 12}, {6, 7},  {8, 9}};

/// On `Rows` rows that lie `stride` floats apart.
template <int Rows, int Count>
inline void in_registers(const Pair (&pairs)[Count], float* values, long long stride) {
  Vector own[Rows];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) own[i] = load(values + i * stride);
  exchange_all(pairs, own);
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) store(values + i * stride, own[i]);
}

/// The exchanges (i, i + 2) for i mod 4 of 2 and 3 and then (i, i + 1) for odd i, the last two
/// rounds of a merge, in one walk down `rows` rows.
inline void last_two_rounds(float* values, int rows) {
  Vector before = load(values + kWidth);
  int row = 2;
  for (; row + 4 < rows; row += 4) {
    float* at = values + static_cast<long long>(row) * kWidth;
    Vector a = load(at);
    Vector b = load(at + kWidth);
    Vector c = load(at + 2 * kWidth);
    Vector d = load(at + 3 * kWidth);
    exchange(a, c);
    exchange(b, d);
    exchange(before, a);
    exchange(b, c);
    store(at - kWidth, before);
    store(at, a);
    store(at + kWidth, b);
    store(at + 2 * kWidth, c);
    before = d;
  }
  float* at = values + static_cast<long long>(row) * kWidth;
  Vector last = load(at);
  exchange(before, last);
  store(at - kWidth, before);
  store(at, last);
}

void run_step(const SortStep& step, float* values) {
  float* first = values + static_cast<long long>(step.first) * kWidth;
  const long long stride = static_cast<long long>(step.argument) * kWidth;
  for (float* half = first; half < first + kWidth; half += kLanes) {
    switch (step.kind) {
      case SortStep::exchange: {
        Vector low = load(half);
        Vector high = load(half + stride);
        exchange(low, high);
        store(half, low);
        store(half + stride, high);
        break;
      }
      case SortStep::merge4:
        in_registers<4>(kMerge4, half, stride);
        break;
      case SortStep::merge8:
        in_registers<8>(kMerge8, half, stride);
        break;
      case SortStep::merge16:
        in_registers<16>(kMerge16, half, stride);
        break;
      case SortStep::sort16:
        in_registers<16>(kSort16, half, kWidth);
        break;
      case SortStep::last_two_rounds:
        last_two_rounds(half, step.argument);
        break;
    }
  }
}

}  // namespace

void sort_columns(const SortStep* steps, int count, float* values) {
  for (int i = 0; i < count; ++i) run_step(steps[i], values);
}

}  // namespace redoubt::kernels::REDOUBT_TILES
