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
#include "kernels/conv/passes.h"
#include "kernels/conv/tap_loaders.h"

namespace redoubt::kernels::cuda::implicit {

namespace {

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

/// A block computes kM channels of kN results. Grid: result tiles, channel tiles, replicas.
template <class Loader, int kM, int kWidth>
__global__ void __launch_bounds__(Loader::Sums::kThreads)
    multiply_taps(TapProduct p, Replicas<const float> source, Replicas<const float> weight,
                  Replicas<const float> bias, Replicas<float> result) {
  const int replica = static_cast<int>(blockIdx.z);
  const int first_row = static_cast<int>(blockIdx.y) * kM;
  const int first_column = static_cast<int>(blockIdx.x) * Loader::kN;
  const int columns = p.height * p.width * p.batch;
  const float* start = bias ? bias[replica] : nullptr;
  float* out = result[replica];
  Loader loader(p, weight[replica], source[replica], first_row, first_column);
  multiply_tiles(loader, Loader::steps(p),
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

/// Weights as the tiles of ChannelLoader: [tiles of kM rows][steps][kSizeA], in which k = (u, v, c)
/// with whole groups of channels; 0 for channels, taps and rows that there are not. 4 bytes read
/// and 4 written a weight.
template <class Loader, int kM>
__global__ void lay_out_weights(TapProduct p, std::int64_t size, Replicas<const float> weight,
                                Replicas<float> laid_out) {
  const std::int64_t i = pack_index(1);
  if (i >= size) return;
  const auto tile = static_cast<int>(i / Loader::Tiles::kSizeA);
  const int channels = Loader::channels(p);
  const int steps = Loader::steps(p);
  const int replica = static_cast<int>(blockIdx.y);
  laid_out[replica][i] = Loader::Tiles::word_of_a(
      static_cast<int>(i % Loader::Tiles::kSizeA), [&](int tile_row, int tile_k) -> float {
        const int m = tile / steps * kM + tile_row;
        const int k = tile % steps * Loader::kK + tile_k;
        const int c = k % channels;
        const int tap = k / channels;
        if (m >= p.rows || c >= p.inner || tap >= p.kernel_height * p.kernel_width) return 0;
        return weight[replica][m * p.weight_row + c * p.weight_inner + tap];
      });
}

/// The weights as ChannelLoader wants them, in scratch memory.
template <class Loader, int kM>
Replicas<const float> laid_out(Context& context, const TapProduct& product, int replicas,
                               Replicas<const float> weight) {
  const bool shared = weight.pitch == 0;
  const int own = shared ? 1 : replicas;
  const std::int64_t size =
      divide_up(product.rows, kM) * Loader::steps(product) * Loader::Tiles::kSizeA;
  auto* memory = context.scratch_of<float>(static_cast<std::size_t>(own * size));
  launch(context, "lay_out_weights", over_replicas(own, size, 1), lay_out_weights<Loader, kM>,
         product, size, weight, Replicas<float>(memory, size));
  return {memory, shared ? 0 : size};
}

void run_tap_product(Context& context, const char* name, const TapProduct& product, int replicas,
                     Replicas<const float> source, Replicas<const float> weight,
                     Replicas<const float> bias, Replicas<float> result) {
  const std::int64_t columns = std::int64_t{product.height} * product.width * product.batch;
  const auto run = [&](auto loader, auto tile_rows, auto width, Replicas<const float> weights) {
    using Loader = typename decltype(loader)::type;
    launch(context, name,
           {.grid = {grid_extent(divide_up(columns, Loader::kN), kMostBlocks),
                     grid_extent(divide_up(product.rows, tile_rows)), grid_extent(replicas)},
            .block = {Loader::Sums::kThreads},
            .shared_bytes = kSharedBytesOf<Loader>},
           multiply_taps<Loader, tile_rows, width>, product, source, weights, bias, result);
  };
  // Laying out costs less than it saves where there are several channels to walk through.
  const bool by_channels = product.inner > 2 && product.divide == 1;
  with_math(context, [&](auto math) {
    using Math = decltype(math);
    const auto run_rows = [&](auto tile_rows, auto width) {
      if (by_channels) {
        using Loader = ChannelLoader<Math, tile_rows, width>;
        run(std::type_identity<Loader>(), tile_rows, width,
            laid_out<Loader, tile_rows>(context, product, replicas, weight));
      } else {
        constexpr auto kRows = Number<std::min<int>(tile_rows, 64)>();
        run(std::type_identity<TapLoader<Math, kRows, width>>(), kRows, width, weight);
      }
    };
    with_pack_width(
        product.batch,
        [&](auto width) {
          if (product.rows <= 32) return run_rows(Number<32>(), width);
          // Fp32 would need so many registers for 128 that one block filled a multiprocessor.
          constexpr bool kFp32 = std::is_same_v<Math, Fp32>;
          if (kFp32 || product.rows <= 64 || width == 1) return run_rows(Number<64>(), width);
          if constexpr (!kFp32) run_rows(Number<128>(), width);
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
