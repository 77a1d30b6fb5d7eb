// Convolution as tiled products whose columns are never in memory: each block gathers the tiles it
// needs from [C][H][W][N] into shared memory while it multiplies the tiles before ("implicit GEMM",
// Chetlur et al. 2014, section 3). Because N is innermost, four neighbouring columns are four
// neighbouring images of one position: one wide load, one test for padding. Replicas are a grid
// dimension, so a fleet of small products fills the GPU like a large one.
//
// Here: the output and the gradient of the input, sums over taps.
//
// Floor: 2·Cout·K·J operations a replica at the device's rate for the precision, K = Cin·KH·KW, J =
// OH·OW·N; inputs are read once a row of tiles, mostly from the L2 cache.
#include "kernels/conv_engines.h"
#include "kernels/conv_tiles.h"

namespace redoubt::kernels::cuda::implicit {

namespace {

/// result[m][position][n] = Σ_{c,u,v} weight[m][c][u][v] · source[c][tap's position][n]: the output
/// (c: input channels) or the gradient of the input (c: output channels). Along either axis the tap
/// u of position i reads (i · step + u · sign + shift) / divide, if that is whole and in the
/// source.
struct TapProduct {
  int rows;   ///< M, channels that come out
  int inner;  ///< channels summed over
  int kernel_height;
  int kernel_width;
  int source_height;
  int source_width;
  int height;
  int width;
  int batch;
  int step;
  int sign;
  int shift;
  int divide;
  std::int64_t weight_row;    ///< floats between weights of neighbouring m
  std::int64_t weight_inner;  ///< and of neighbouring c
};

TapProduct forward_product(const ConvShape& s) {
  const std::int64_t area = std::int64_t{s.kernel_height} * s.kernel_width;
  return {.rows = s.out_channels,
          .inner = s.in_channels,
          .kernel_height = s.kernel_height,
          .kernel_width = s.kernel_width,
          .source_height = s.height,
          .source_width = s.width,
          .height = s.out_height(),
          .width = s.out_width(),
          .batch = s.batch,
          .step = s.stride,
          .sign = 1,
          .shift = -s.padding,
          .divide = 1,
          .weight_row = s.in_channels * area,
          .weight_inner = area};
}

TapProduct backward_product(const ConvShape& s) {
  const std::int64_t area = std::int64_t{s.kernel_height} * s.kernel_width;
  return {.rows = s.in_channels,
          .inner = s.out_channels,
          .kernel_height = s.kernel_height,
          .kernel_width = s.kernel_width,
          .source_height = s.out_height(),
          .source_width = s.out_width(),
          .height = s.height,
          .width = s.width,
          .batch = s.batch,
          .step = 1,
          .sign = -1,
          .shift = s.padding,
          .divide = s.stride,
          .weight_row = area,
          .weight_inner = s.in_channels * area};
}

/// A tap of the sum, and steps of a fixed length through the taps without dividing each time.
struct Tap {
  int channel;
  int u;
  int v;

  __device__ Tap(const TapProduct& p, int k)
      : channel(k / (p.kernel_height * p.kernel_width)),
        u(k / p.kernel_width % p.kernel_height),
        v(k % p.kernel_width) {}

  /// `length` is the tap at the step's length.
  __device__ void advance(const TapProduct& p, const Tap& length) {
    v += length.v;
    u += length.u;
    channel += length.channel;
    if (v >= p.kernel_width) {
      v -= p.kernel_width;
      ++u;
    }
    if (u >= p.kernel_height) {
      u -= p.kernel_height;
      ++channel;
    }
  }
};

/// Asks for each step's tiles: a thread's part of them lies in one column of A, and in one pack of
/// columns of B, whose tap moves on from step to step.
template <class Math, int kM, int kWidth>
class TapLoader {
 public:
  static constexpr int kN = kM <= 32 && kWidth > 1 ? 256 : 128;
  static constexpr int kK = 16;
  using Tiles = TilePair<Math, kM, kN, kK, TileOrder::inner_rows>;
  using Sums = TileSums<Math, kM, kN, kK, TileOrder::inner_rows>;

  __device__ TapLoader(const TapProduct& p, const float* weight, const float* source, int first_row,
                       int first_column)
      : p_(p),
        rows_(p.rows - first_row - thread() / kK),
        weight_(weight + (first_row + thread() / kK) * p.weight_row),
        weight_tap_(p, thread() % kK),
        source_tap_(p, thread() / kPacksOfRow),
        weight_length_(p, kK),
        source_length_(p, kRowsAtOnce) {
    const int column = first_column + thread() % kPacksOfRow * kWidth;
    const int position = column / p.batch;
    source_ = source + column % p.batch;
    top_ = position / p.width * p.step + p.shift;
    left_ = position % p.width * p.step + p.shift;
    if (column >= p.height * p.width * p.batch) top_ = kNowhere;
  }

  /// Asks for this thread's part of the next kK taps.
  __device__ void fetch(Tiles& tiles) {
    const float* weight = weight_ + weight_tap_.channel * p_.weight_inner +
                          weight_tap_.u * p_.kernel_width + weight_tap_.v;
    float* to = tiles.a + thread() / kK * Tiles::kPitchA + thread() % kK;
    for (int i = 0; i < kWeights; ++i) {
      copy_async<4>(to + i * kWeightRows * Tiles::kPitchA, weight,
                    i * kWeightRows < rows_ && weight_tap_.channel < p_.inner);
      weight += kWeightRows * p_.weight_row;
    }
    weight_tap_.advance(p_, weight_length_);
    for (int i = 0; i < kPacks; ++i) {
      const int row = thread() / kPacksOfRow + i * kRowsAtOnce;
      fetch_source(tiles.b + row * Tiles::kPitchB + thread() % kPacksOfRow * kWidth);
      source_tap_.advance(p_, source_length_);
    }
  }

 private:
  static constexpr int kNowhere = -(1 << 30);              ///< above every source
  static constexpr int kWeightRows = Sums::kThreads / kK;  ///< of A, between a thread's elements
  static constexpr int kWeights = kM / kWeightRows;
  static constexpr int kPacksOfRow = kN / kWidth;
  static constexpr int kRowsAtOnce = Sums::kThreads / kPacksOfRow;
  static constexpr int kPacks = kK / kRowsAtOnce;
  static_assert(kPacks * kRowsAtOnce == kK);

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  __device__ void fetch_source(float* to) const {
    int h = top_ + source_tap_.u * p_.sign;
    int w = left_ + source_tap_.v * p_.sign;
    bool inside = source_tap_.channel < p_.inner && h >= 0 && w >= 0;
    if (p_.divide > 1) {
      inside = inside && h % p_.divide == 0 && w % p_.divide == 0;
      h /= p_.divide;
      w /= p_.divide;
    }
    inside = inside && h < p_.source_height && w < p_.source_width;
    const int position = (source_tap_.channel * p_.source_height + h) * p_.source_width + w;
    copy_async<4 * kWidth>(to, source_ + std::int64_t{position} * p_.batch, inside);
  }

  const TapProduct& p_;
  int rows_;  ///< of weights from this thread's first on
  const float* weight_;
  const float* source_;
  int top_;
  int left_;
  Tap weight_tap_;
  Tap source_tap_;
  Tap weight_length_;
  Tap source_length_;
};

/// A block computes kM channels of kN results. Grid: result tiles, channel tiles, replicas.
template <class Math, int kM, int kWidth>
__global__ void __launch_bounds__(TapLoader<Math, kM, kWidth>::Sums::kThreads)
    multiply_taps(TapProduct p, Replicas<const float> source, Replicas<const float> weight,
                  Replicas<const float> bias, Replicas<float> result) {
  using Loader = TapLoader<Math, kM, kWidth>;
  const int replica = static_cast<int>(blockIdx.z);
  const int first_row = static_cast<int>(blockIdx.y) * kM;
  const int first_column = static_cast<int>(blockIdx.x) * Loader::kN;
  const int columns = p.height * p.width * p.batch;
  const int taps = p.inner * p.kernel_height * p.kernel_width;
  const float* start = bias ? bias[replica] : nullptr;
  float* out = result[replica];
  Loader loader(p, weight[replica], source[replica], first_row, first_column);
  multiply_tiles(loader, (taps + Loader::kK - 1) / Loader::kK,
                 [&]<int kSums>(int tile_row, int tile_column, const Pack<float, kSums>& sums) {
                   const int row = first_row + tile_row;
                   const int column = first_column + tile_column;
                   if (row >= p.rows) return;
                   float* to = out + static_cast<std::int64_t>(row) * columns + column;
                   const float number = start == nullptr ? 0 : start[row];
                   constexpr int kTogether = std::min(kSums, kWidth);
                   for (int j = 0; j < kSums && column + j < columns; j += kTogether) {
                     Pack<float, kTogether> pack;
                     for (int i = 0; i < kTogether; ++i) pack.at[i] = sums.at[j + i] + number;
                     store(to + j, pack);
                   }
                 });
}

void run_tap_product(Context& context, const char* name, const TapProduct& product, int replicas,
                     Replicas<const float> source, Replicas<const float> weight,
                     Replicas<const float> bias, Replicas<float> result) {
  const std::int64_t columns = std::int64_t{product.height} * product.width * product.batch;
  check_results(columns);
  with_math(context, [&](auto math) {
    with_pack_width(
        product.batch,
        [&](auto width) {
          const auto run = [&](auto tile_rows) {
            using Math = decltype(math);
            constexpr int kM = decltype(tile_rows)::value;
            constexpr int kWidth = decltype(width)::value;
            using Loader = TapLoader<Math, kM, kWidth>;
            launch(context, name,
                   {.grid = {grid_extent(divide_up(columns, Loader::kN), kMostBlocks),
                             grid_extent(divide_up(product.rows, kM)), grid_extent(replicas)},
                    .block = {Loader::Sums::kThreads},
                    .shared_bytes = kSharedBytesOf<Loader>},
                   multiply_taps<Math, kM, kWidth>, product, source, weight, bias, result);
          };
          if (product.rows <= 32) return run(Number<32>());
          // Fp32 would need so many registers for 128 that one block filled a multiprocessor.
          constexpr bool kFp32 = std::is_same_v<decltype(math), Fp32>;
          if (kFp32 || product.rows <= 64 || width == 1) return run(Number<64>());
          if constexpr (!kFp32) run(Number<128>());
        },
        source, result);
  });
}

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  run_tap_product(context, "conv_forward", forward_product(shape), shape.replicas, input, weight,
                  bias, output);
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  run_tap_product(context, "conv_backward_input", backward_product(shape), shape.replicas,
                  grad_output, weight, {}, grad_input);
}

}  // namespace redoubt::kernels::cuda::implicit
