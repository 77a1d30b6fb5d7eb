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

/// What one thread brings to each step's tiles, held in registers between reading global memory and
/// writing shared memory, so that the reads run while the block multiplies.
template <class Math, int kM, int kWidth>
class TapLoader {
 public:
  static constexpr int kN = 128;
  static constexpr int kK = 16;
  using Tiles = TilePair<Math, kM, kN, kK, TileOrder::inner_rows>;
  using Sums = TileSums<Math, kM, kN, kK, TileOrder::inner_rows>;

  __device__ TapLoader(const TapProduct& p, const float* weight, const float* source, int first_row,
                       int first_column)
      : p_(p),
        source_(source),
        weight_(weight),
        row_(first_row + thread() / kK),
        weight_tap_(p, thread() % kK),
        source_tap_(p, thread() / kPacksOfRow),
        weight_length_(p, kK),
        source_length_(p, kRowsAtOnce) {
    const int column = first_column + thread() % kPacksOfRow * kWidth;
    const int position = column / p.batch;
    image_ = column % p.batch;
    top_ = position / p.width * p.step + p.shift;
    left_ = position % p.width * p.step + p.shift;
    real_ = column < p.height * p.width * p.batch;
  }

  /// Reads this thread's part of the next kK taps.
  __device__ void fetch() {
    const std::int64_t tap =
        weight_tap_.channel * p_.weight_inner + weight_tap_.u * p_.kernel_width + weight_tap_.v;
    for (int i = 0; i < kWeights; ++i) {
      const int row = row_ + i * (kBlock / kK);
      const bool inside = row < p_.rows && weight_tap_.channel < p_.inner;
      weights_[i] = inside ? weight_[row * p_.weight_row + tap] : 0;
    }
    weight_tap_.advance(p_, weight_length_);
    for (int i = 0; i < kPacks; ++i) {
      packs_[i] = read_source();
      source_tap_.advance(p_, source_length_);
    }
  }

  __device__ void put(Tiles& tiles) const {
    for (int i = 0; i < kWeights; ++i) {
      const int row = thread() / kK + i * (kBlock / kK);
      tiles.a[row * Tiles::kPitchA + thread() % kK] = Math::round(weights_[i]);
    }
    for (int i = 0; i < kPacks; ++i) {
      const int row = thread() / kPacksOfRow + i * kRowsAtOnce;
      Tiles::put(tiles.b + row * Tiles::kPitchB + thread() % kPacksOfRow * kWidth, packs_[i]);
    }
  }

 private:
  static constexpr int kWeights = kM * kK / kBlock;
  static constexpr int kPacksOfRow = kN / kWidth;
  static constexpr int kRowsAtOnce = kBlock / kPacksOfRow;
  static constexpr int kPacks = kK / kRowsAtOnce;

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  __device__ Pack<float, kWidth> read_source() const {
    int h = top_ + source_tap_.u * p_.sign;
    int w = left_ + source_tap_.v * p_.sign;
    bool inside = real_ && source_tap_.channel < p_.inner && h >= 0 && w >= 0;
    if (p_.divide > 1) {
      inside = inside && h % p_.divide == 0 && w % p_.divide == 0;
      h /= p_.divide;
      w /= p_.divide;
    }
    if (!inside || h >= p_.source_height || w >= p_.source_width) return {};
    const std::int64_t row = std::int64_t{source_tap_.channel} * p_.source_height + h;
    return load<kWidth>(source_ + (row * p_.source_width + w) * p_.batch + image_);
  }

  const TapProduct& p_;
  const float* source_;
  const float* weight_;
  int row_;
  int image_;
  int top_;
  int left_;
  bool real_;
  Tap weight_tap_;
  Tap source_tap_;
  Tap weight_length_;
  Tap source_length_;
  float weights_[kWeights];
  Pack<float, kWidth> packs_[kPacks];
};

/// A block computes kM channels of 128 results. Grid: result tiles, channel tiles, replicas.
template <class Math, int kM, int kWidth>
__global__ void __launch_bounds__(kBlock)
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
                 [&](int tile_row, int tile_column, Pack<float, 4> sums) {
                   const int row = first_row + tile_row;
                   const int column = first_column + tile_column;
                   if (row >= p.rows) return;
                   float* to = out + static_cast<std::int64_t>(row) * columns + column;
                   const float number = start == nullptr ? 0 : start[row];
                   for (int j = 0; j < 4; ++j) sums.at[j] += number;
                   for (int j = 0; j < 4 && column + j < columns; j += kWidth) {
                     Pack<float, kWidth> pack;
                     for (int i = 0; i < kWidth; ++i) pack.at[i] = sums.at[j + i];
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
            launch(context, name,
                   {.grid = {grid_extent(divide_up(columns, TapLoader<Math, kM, kWidth>::kN),
                                         kMostBlocks),
                             grid_extent(divide_up(product.rows, kM)), grid_extent(replicas)},
                    .block = {kBlock}},
                   multiply_taps<Math, kM, kWidth>, product, source, weight, bias, result);
          };
          if (product.rows <= 32) return run(Number<32>());
          if (product.rows <= 64 || width == 1) return run(Number<64>());
          run(Number<128>());
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
