// The inner part of a tiled product: a block multiplies a tile A [M x K] by a tile B [K x N], both
// in shared memory, and keeps the sums [M x N] in registers from step to step; with ordinary
// multiply-adds (Fp32) or on tensor cores (Tf32, Bf16). Included by .cu files only.
#pragma once

#include "base/check.h"
#include "kernels/cuda_parts.h"
#include "kernels/instructions.h"

namespace redoubt::kernels::cuda {

/// How B lies in shared memory: [K][N] or [N][K]. A is always [M][K].
enum class TileOrder { inner_rows, inner_columns };

// ---- arithmetics --------------------------------------------------------------------------------

struct Fp32 {
  static constexpr int kPad = 4;  ///< floats behind a tile's row of K
};

// A tensor core adds over the inner index in any order, so a thread's numbers of one row may be
// neighbours in memory: of a group of 8, those that the layout calls t and t + 4 are 2t and 2t + 1.
// kInner / 8 groups make a product. Padding keeps rows that are read at once in different banks.
struct Tf32 {
  static constexpr int kPad = 8;
  static constexpr int kInner = 8;
  static constexpr int kNumbersOfWord = 1;
  /// A lane's register of A, from number(k), the numbers of its row from 2t on.
  template <class Number>
  __device__ static std::uint32_t word_of_a(int which, const Number& number) {
    return tf32_bits(number(which / 2));
  }
  __device__ static void set_a(std::uint32_t (&a)[4], int /*group*/, Pack<float, 2> upper,
                               Pack<float, 2> lower) {
    a[0] = tf32_bits(upper.at[0]);
    a[1] = tf32_bits(lower.at[0]);
    a[2] = tf32_bits(upper.at[1]);
    a[3] = tf32_bits(lower.at[1]);
  }
  __device__ static void set_b(std::uint32_t (&b)[2], int /*group*/, float first, float second) {
    b[0] = tf32_bits(first);
    b[1] = tf32_bits(second);
  }
  __device__ static void multiply_add(float (&sums)[4], const std::uint32_t (&a)[4],
                                      const std::uint32_t (&b)[2]) {
    multiply_add_tf32(sums, a, b);
  }
};

struct Bf16 {
  static constexpr int kPad = 8;
  static constexpr int kInner = 16;
  static constexpr int kNumbersOfWord = 2;
  template <class Number>
  __device__ static std::uint32_t word_of_a(int which, const Number& number) {
    return bf16_bits(number(which / 2 * 8), number(which / 2 * 8 + 1));
  }
  __device__ static void set_a(std::uint32_t (&a)[4], int group, Pack<float, 2> upper,
                               Pack<float, 2> lower) {
    a[2 * group] = bf16_bits(upper.at[0], upper.at[1]);
    a[2 * group + 1] = bf16_bits(lower.at[0], lower.at[1]);
  }
  __device__ static void set_b(std::uint32_t (&b)[2], int group, float first, float second) {
    b[group] = bf16_bits(first, second);
  }
  __device__ static void multiply_add(float (&sums)[4], const std::uint32_t (&a)[4],
                                      const std::uint32_t (&b)[2]) {
    multiply_add_bf16(sums, a, b);
  }
};

// ---- tiles --------------------------------------------------------------------------------------

/// Both tiles of one step, in floats. Rows begin at 16 bytes for wide copies. kFragments: A lies as
/// the registers of tensor cores do, rounded: [16 rows each][kInner each][lane][4 words].
template <class Math, int kM, int kN, int kK, TileOrder kOrder, bool kFragments>
struct alignas(16) TilePair {
  static constexpr bool kInnerRows = kOrder == TileOrder::inner_rows;
  static constexpr int kPitchA = kK + Math::kPad;
  static constexpr int kPitchB = kInnerRows ? kN + 4 : kK + Math::kPad;
  static constexpr int kSizeA = [] {
    if constexpr (kFragments) {
      return kM * kK / Math::kNumbersOfWord;
    } else {
      return kM * kPitchA;
    }
  }();

  /// What a[place] holds of the numbers number(row, k); 0 for padding.
  template <class Number>
  __device__ static float word_of_a(int place, const Number& number) {
    if constexpr (kFragments) {
      constexpr int kAcross = kK / Math::kInner;
      const int lane = place / 4 % kWarp;
      const int block = place / 4 / kWarp;
      const int row = block / kAcross * 16 + place % 2 * 8 + lane / 4;
      const int first = block % kAcross * Math::kInner + lane % 4 * 2;
      return __uint_as_float(
          Math::word_of_a(place % 4, [&](int k) { return number(row, first + k); }));
    } else {
      return place % kPitchA < kK ? number(place / kPitchA, place % kPitchA) : 0.0F;
    }
  }

  float a[kSizeA];
  float b[(kInnerRows ? kK : kN) * kPitchB];

  /// The row of b that holds column n of an [N][K] tile. A thread of Fp32 reads four neighbouring
  /// columns one after the other: lying a quarter of the tile apart, those that the threads of a
  /// warp read at once are neighbours, in different banks.
  __device__ static constexpr int row_of_column(int n) {
    return std::is_same_v<Math, Fp32> ? n % 4 * (kN / 4) + n / 4 : n;
  }
};

// ---- tensor cores -------------------------------------------------------------------------------

/// The sums of a block's tile. Warps lie over it in kDown rows, each with a tile of its own; a
/// lane's sums are as instructions.h says.
template <class Math, int kM, int kN, int kK, TileOrder kOrder, bool kFragments>
class TileSums {
  using Tiles = TilePair<Math, kM, kN, kK, kOrder, kFragments>;
  // Tiles of 32 x 64, where the block's is large enough for four warps of them.
  static constexpr int kWarps = kM * kN >= 128 * 128 ? 8 : 4;
  static constexpr int kDown = kM * kN < 64 * 64 ? 2 : kM / 32;
  static constexpr int kAcross = kWarps / kDown;
  static constexpr int kRows = kM / kDown / 16;      ///< products of a warp, downward
  static constexpr int kColumns = kN / kAcross / 8;  ///< and to the right
  static_assert(kRows * 16 * kDown == kM && kColumns * 8 * kAcross == kN);

 public:
  static constexpr int kThreads = kWarps * kWarp;

  /// sums += A · B.
  __device__ void add(const Tiles& tiles) {
#pragma unroll
    for (int k = 0; k < kK; k += Math::kInner) {
      std::uint32_t left[kRows][4];
      std::uint32_t right[kColumns][2];
      for (int i = 0; i < kRows; ++i) load_a(tiles, i, k, left[i]);
      for (int j = 0; j < kColumns; ++j) load_b(tiles, j, k, right[j]);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kColumns; ++j) Math::multiply_add(sums_[i][j], left[i], right[j]);
      }
    }
  }

  /// Calls write(row, column, pack of 2 sums) for every two sums that lie side by side.
  template <class Write>
  __device__ void finish(const Write& write) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          write(first_row() + i * 16 + half * 8 + group(), first_column() + j * 8 + 2 * place(),
                Pack<float, 2>{{sums_[i][j][2 * half], sums_[i][j][2 * half + 1]}});
        }
      }
    }
  }

 private:
  __device__ static void load_a(const Tiles& tiles, int i, int k, std::uint32_t (&to)[4]) {
    if constexpr (kFragments) {
      const int block = (first_row() / 16 + i) * (kK / Math::kInner) + k / Math::kInner;
      const auto words = load<4>(tiles.a + (block * kWarp + group() * 4 + place()) * 4);
      for (int j = 0; j < 4; ++j) to[j] = __float_as_uint(words.at[j]);
    } else {
      const float* from =
          tiles.a + (first_row() + i * 16 + group()) * Tiles::kPitchA + k + 2 * place();
#pragma unroll
      for (int g = 0; g < Math::kInner / 8; ++g) {
        Math::set_a(to, g, load<2>(from + g * 8), load<2>(from + g * 8 + 8 * Tiles::kPitchA));
      }
    }
  }
  __device__ static void load_b(const Tiles& tiles, int j, int k, std::uint32_t (&to)[2]) {
    const int column = first_column() + j * 8 + group();
#pragma unroll
    for (int g = 0; g < Math::kInner / 8; ++g) {
      const int inner = k + g * 8 + 2 * place();
      if constexpr (Tiles::kInnerRows) {
        const float* from = tiles.b + inner * Tiles::kPitchB + column;
        Math::set_b(to, g, from[0], from[Tiles::kPitchB]);
      } else {
        const auto both = load<2>(tiles.b + column * Tiles::kPitchB + inner);
        Math::set_b(to, g, both.at[0], both.at[1]);
      }
    }
  }

  __device__ static int warp() { return static_cast<int>(threadIdx.x) / kWarp; }
  __device__ static int group() { return static_cast<int>(threadIdx.x) % kWarp / 4; }
  __device__ static int place() { return static_cast<int>(threadIdx.x) % 4; }
  __device__ static int first_row() { return warp() / kAcross * (kM / kDown); }
  __device__ static int first_column() { return warp() % kAcross * (kN / kAcross); }

  float sums_[kRows][kColumns][4] = {};
};

// ---- multiply-adds ------------------------------------------------------------------------------

/// The sums of a block's tile. 256 threads lie over the tile as 16 x 16; each keeps kM / 16 rows
/// side by side and kN / 16 columns.
template <int kM, int kN, int kK, TileOrder kOrder>
class TileSums<Fp32, kM, kN, kK, kOrder, false> {
  using Tiles = TilePair<Fp32, kM, kN, kK, kOrder, false>;
  static constexpr int kSide = 16;
  static constexpr int kRows = kM / kSide;
  static constexpr int kGroups = kN / kSide / 4;  ///< of four columns each

 public:
  static constexpr int kThreads = kSide * kSide;

  __device__ void add(const Tiles& tiles) {
#pragma unroll
    for (int k = 0; k < kK; k += 4) {
      Pack<float, 4> a[kRows];
      for (int i = 0; i < kRows; ++i) {
        a[i] = load<4>(tiles.a + (first_row() + i) * Tiles::kPitchA + k);
      }
      if constexpr (Tiles::kInnerRows) {
        for (int step = 0; step < 4; ++step) {
          for (int g = 0; g < kGroups; ++g) {
            const auto b = load<4>(tiles.b + (k + step) * Tiles::kPitchB + column_of(g, 0));
            for (int i = 0; i < kRows; ++i) {
              for (int j = 0; j < 4; ++j) sums_[i][g].at[j] += a[i].at[step] * b.at[j];
            }
          }
        }
      } else {
        for (int g = 0; g < kGroups; ++g) {
          for (int j = 0; j < 4; ++j) {
            const int row = Tiles::row_of_column(column_of(g, j));
            const auto b = load<4>(tiles.b + row * Tiles::kPitchB + k);
            for (int i = 0; i < kRows; ++i) {
              for (int step = 0; step < 4; ++step) {
                sums_[i][g].at[j] += a[i].at[step] * b.at[step];
              }
            }
          }
        }
      }
    }
  }

  /// Calls write(row, column, pack of 4 sums) for every four sums that lie side by side.
  template <class Write>
  __device__ void finish(const Write& write) const {
    for (int i = 0; i < kRows; ++i) {
      for (int g = 0; g < kGroups; ++g) write(first_row() + i, column_of(g, 0), sums_[i][g]);
    }
  }

 private:
  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / kSide * kRows; }
  __device__ static int column_of(int group, int j) {
    return (group * kSide + static_cast<int>(threadIdx.x) % kSide) * 4 + j;
  }

  Pack<float, 4> sums_[kRows][kGroups] = {};
};

// ---- the loop of a product -------------------------------------------------------------------

/// Pairs of tiles that a block holds: one is multiplied while the next ones are on their way.
constexpr int kStages = 4;

template <class Loader>
constexpr std::size_t kSharedBytesOf = kStages * sizeof(typename Loader::Tiles);

/// Multiplies `steps` pairs of tiles, which lie in dynamic shared memory of kSharedBytesOf. One
/// barrier a step is enough: it is behind it that a pair is overwritten which was read before it.
template <class Loader, class Write>
__device__ void multiply_tiles(Loader& loader, int steps, const Write& write) {
  REDOUBT_DYNAMIC_SHARED(typename Loader::Tiles, pairs);
  typename Loader::Sums sums;
  for (int step = 0; step < kStages - 1; ++step) {
    if (step < steps) loader.fetch(pairs[step]);
    end_copy_group();
  }
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<kStages - 2>();
    __syncthreads();
    const int ahead = step + kStages - 1;
    if (ahead < steps) loader.fetch(pairs[ahead % kStages]);
    end_copy_group();
    sums.add(pairs[step % kStages]);
  }
  sums.finish(write);
}

// ---- choosing -----------------------------------------------------------------------------------

/// Calls body with Fp32, Tf32 or Bf16.
template <class Body>
void with_math(const Context& context, const Body& body) {
  switch (context.precision()) {
    case Precision::fp32:
      return body(Fp32());
    case Precision::tf32:
      return body(Tf32());
    case Precision::bf16:
      return body(Bf16());
  }
}

/// 0 <= value < end.
__device__ inline bool is_below(int value, int end) {
  return static_cast<unsigned>(value) < static_cast<unsigned>(end);
}

template <int kValue>
using Number = std::integral_constant<int, kValue>;

}  // namespace redoubt::kernels::cuda
