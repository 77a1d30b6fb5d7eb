// The inner part of a tiled product: a block of 256 threads multiplies a tile A [M x K] by a tile
// B [K x N], both in shared memory, and keeps the sums [M x N] in registers from step to step; with
// ordinary multiply-adds (Fp32) or on tensor cores (Tf32, Bf16). Included by .cu files only.
#pragma once

#include <cuda_bf16.h>
#include <mma.h>

#include "kernels/check.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

// ---- what a tile holds --------------------------------------------------------------------------

struct Fp32 {
  using Element = float;
  __device__ static float round(float value) { return value; }
};

struct Tf32 {
  using Element = float;
  using Fragment = nvcuda::wmma::precision::tf32;
  static constexpr int kInner = 8;
  __device__ static float round(float value) { return nvcuda::wmma::__float_to_tf32(value); }
};

struct Bf16 {
  using Element = __nv_bfloat16;
  using Fragment = __nv_bfloat16;
  static constexpr int kInner = 16;
  __device__ static __nv_bfloat16 round(float value) { return __float2bfloat16(value); }
};

/// How B lies in shared memory: [K][N] or [N][K]. A is always [M][K].
enum class TileOrder { inner_rows, inner_columns };

/// Both tiles of one step. Rows are a little longer than their elements: what the threads of a warp
/// read at once then lies in different banks, and rows stay aligned for wide loads.
template <class Math, int kM, int kN, int kK, TileOrder kOrder>
struct alignas(32) TilePair {
  using Element = typename Math::Element;
  static constexpr int kPad = 16 / static_cast<int>(sizeof(Element));
  static constexpr bool kInnerRows = kOrder == TileOrder::inner_rows;
  static constexpr int kPitchA = kK + kPad;
  static constexpr int kPitchB = kInnerRows ? kN + 8 : kK + kPad;

  Element a[kM * kPitchA];
  Element b[(kInnerRows ? kK : kN) * kPitchB];

  /// The row of b that holds column n of an [N][K] tile. A thread of Fp32 reads four neighbouring
  /// columns one after the other: lying a quarter of the tile apart, those that the threads of a
  /// warp read at once are neighbours, in different banks.
  __device__ static constexpr int row_of_column(int n) {
    return std::is_same_v<Math, Fp32> ? n % 4 * (kN / 4) + n / 4 : n;
  }

  template <int kWidth>
  __device__ static void put(Element* to, const Pack<float, kWidth>& values) {
    Pack<Element, kWidth> rounded;
    for (int j = 0; j < kWidth; ++j) rounded.at[j] = Math::round(values.at[j]);
    store(to, rounded);
  }
};

// ---- tensor cores -------------------------------------------------------------------------------

/// The sums of a block's tile. Eight warps lie over the tile as 2 x 4; each keeps fragments of
/// 16 x 16 sums.
template <class Math, int kM, int kN, int kK, TileOrder kOrder>
class TileSums {
  using Tiles = TilePair<Math, kM, kN, kK, kOrder>;
  using RowMajor = nvcuda::wmma::row_major;
  using OrderOfB = std::conditional_t<Tiles::kInnerRows, RowMajor, nvcuda::wmma::col_major>;
  static constexpr int kSide = 16;
  static constexpr int kDown = kM / 2 / kSide;  ///< fragments of a warp
  static constexpr int kAcross = kN / 4 / kSide;
  static constexpr int kStagingPitch = kSide + 4;

 public:
  /// finish() needs this many floats of shared memory that nobody else uses.
  static constexpr int kStagingFloats = kBlock / kWarp * kSide * kStagingPitch;

  __device__ TileSums() {
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) nvcuda::wmma::fill_fragment(sums_[i][j], 0.0F);
    }
  }

  /// sums += A · B.
  __device__ void add(const Tiles& tiles) {
    using namespace nvcuda::wmma;
    constexpr int kInner = Math::kInner;
    constexpr int kStepB = Tiles::kInnerRows ? Tiles::kPitchB : 1;
    constexpr int kColumnB = Tiles::kInnerRows ? 1 : Tiles::kPitchB;
#pragma unroll
    for (int k = 0; k < kK; k += kInner) {
      fragment<matrix_a, kSide, kSide, kInner, typename Math::Fragment, RowMajor> a[kDown];
      fragment<matrix_b, kSide, kSide, kInner, typename Math::Fragment, OrderOfB> b[kAcross];
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
        load_matrix_sync(a[i], tiles.a + (first_row() + i * kSide) * Tiles::kPitchA + k,
                         Tiles::kPitchA);
      }
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        load_matrix_sync(b[j], tiles.b + (first_column() + j * kSide) * kColumnB + k * kStepB,
                         Tiles::kPitchB);
      }
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
#pragma unroll
        for (int j = 0; j < kAcross; ++j) mma_sync(sums_[i][j], a[i], b[j], sums_[i][j]);
      }
    }
  }

  /// Calls write(row, column, pack of 4 sums) for every four sums that lie side by side. Which lane
  /// holds which sum of a fragment is not specified, so each takes the way through shared memory.
  template <class Write>
  __device__ void finish(float* staging, const Write& write) {
    float* own = staging + static_cast<int>(threadIdx.x) / kWarp * kSide * kStagingPitch;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        nvcuda::wmma::store_matrix_sync(own, sums_[i][j], kStagingPitch,
                                        nvcuda::wmma::mem_row_major);
        __syncwarp();
        for (int p = lane; p < kSide * kSide / 4; p += kWarp) {
          const int row = p / (kSide / 4);
          const int column = p % (kSide / 4) * 4;
          write(first_row() + i * kSide + row, first_column() + j * kSide + column,
                load<4>(own + row * kStagingPitch + column));
        }
        __syncwarp();
      }
    }
  }

 private:
  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / kWarp / 4 * (kM / 2); }
  __device__ static int first_column() {
    return static_cast<int>(threadIdx.x) / kWarp % 4 * (kN / 4);
  }

  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, kSide, kSide, Math::kInner, float>
      sums_[kDown][kAcross];
};

// ---- multiply-adds ------------------------------------------------------------------------------

/// The sums of a block's tile. 256 threads lie over the tile as 16 x 16; each keeps kM / 16 rows
/// side by side and kN / 16 columns.
template <int kM, int kN, int kK, TileOrder kOrder>
class TileSums<Fp32, kM, kN, kK, kOrder> {
  using Tiles = TilePair<Fp32, kM, kN, kK, kOrder>;
  static constexpr int kSide = 16;
  static constexpr int kRows = kM / kSide;
  static constexpr int kGroups = kN / kSide / 4;  ///< of four columns each

 public:
  static constexpr int kStagingFloats = 0;

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
  __device__ void finish(float* /*staging*/, const Write& write) {
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

/// Multiplies `steps` pairs of tiles. Two pairs take turns: while one is multiplied, the next is on
/// its way from global memory through registers into the other. One barrier a step is enough:
/// nobody writes a pair before all have left the step that read it.
template <class Loader, class Write>
__device__ void multiply_tiles(Loader& loader, int steps, const Write& write) {
  __shared__ typename Loader::Tiles pairs[2];
  typename Loader::Sums sums;
  static_assert(sizeof(pairs) >= Loader::Sums::kStagingFloats * sizeof(float));
  loader.fetch();
  loader.put(pairs[0]);
  __syncthreads();
  for (int step = 0; step < steps; ++step) {
    const bool more = step + 1 < steps;
    if (more) loader.fetch();
    sums.add(pairs[step % 2]);
    if (more) loader.put(pairs[(step + 1) % 2]);
    __syncthreads();
  }
  sums.finish(reinterpret_cast<float*>(pairs), write);
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

/// Results of a channel are counted in int, up to the end of the last tile.
inline void check_results(std::int64_t results) {
  check(results < kMostBlocks - 1024, "a batch has less than 2^31 results a channel");
}

template <int kValue>
using Number = std::integral_constant<int, kValue>;

}  // namespace redoubt::kernels::cuda
