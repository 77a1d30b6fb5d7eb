// The weight gradient of the implicit engine (conv_implicit.cu): tiled products whose columns are
// gathered while the block multiplies, here summed over results, J = OH·OW·N.
//
// Floor: 2·Cout·K·J operations a replica at the device's rate for the precision.
#include "kernels/conv_engines.h"
#include "kernels/conv_tiles.h"

namespace redoubt::kernels::cuda::implicit {

namespace {

/// grad_weight[m][q] = Σ_j grad_output[m][j] · input[j under tap q], q = (c, u, v). J is long and
/// the result small, so J is cut into parts, each a block's, added up afterwards in ascending
/// order.
struct ResultParts {
  ConvShape shape;
  int results;  ///< J
  int taps;     ///< K
  int parts;
  int part_results;  ///< a multiple of the tiles' K
};

/// As TapLoader, for tiles whose inner dimension is J.
template <class Math, int kM, int kWidth>
class ResultLoader {
 public:
  static constexpr int kN = 64;
  static constexpr int kK = 32;
  using Tiles = TilePair<Math, kM, kN, kK, TileOrder::inner_columns>;
  using Sums = TileSums<Math, kM, kN, kK, TileOrder::inner_columns>;

  __device__ ResultLoader(const ResultParts& p, const float* grad_output, const float* input,
                          int first_row, int first_column, int first_result, int end)
      : p_(p),
        grad_output_(grad_output),
        input_(input),
        row_(first_row + thread() / kPacksOfRow),
        result_(first_result + thread() % kPacksOfRow * kWidth),
        end_(end) {
    const ConvShape& s = p.shape;
    for (int i = 0; i < kPacksB; ++i) {
      const int q = first_column + thread() / kPacksOfRow + i * kRowsAtOnce;
      const int c = q / s.kernel_width / s.kernel_height;
      top_[i] = q / s.kernel_width % s.kernel_height - s.padding;
      left_[i] = q % s.kernel_width - s.padding;
      channel_[i] = q < p.taps ? c * static_cast<std::int64_t>(s.height) * s.width * s.batch : -1;
    }
    place_result();
  }

  /// Reads this thread's part of the next kK results.
  __device__ void fetch() {
    const ConvShape& s = p_.shape;
    for (int i = 0; i < kPacksA; ++i) {
      const int row = row_ + i * kRowsAtOnce;
      const bool inside = row < s.out_channels && result_ < end_;
      grads_[i] = {};
      if (inside) {
        grads_[i] =
            load<kWidth>(grad_output_ + static_cast<std::int64_t>(row) * p_.results + result_);
      }
    }
    for (int i = 0; i < kPacksB; ++i) {
      const int h = down_ + top_[i];
      const int w = right_ + left_[i];
      const bool inside =
          result_ < end_ && channel_[i] >= 0 && h >= 0 && h < s.height && w >= 0 && w < s.width;
      inputs_[i] = {};
      if (inside) {
        inputs_[i] = load<kWidth>(input_ + channel_[i] +
                                  (static_cast<std::int64_t>(h) * s.width + w) * s.batch + image_);
      }
    }
    result_ += kK;
    image_ += kK;
    if (image_ >= s.batch) place_result();
  }

  __device__ void put(Tiles& tiles) const {
    const int k = thread() % kPacksOfRow * kWidth;
    const int first = thread() / kPacksOfRow;
    for (int i = 0; i < kPacksA; ++i) {
      Tiles::put(tiles.a + (first + i * kRowsAtOnce) * Tiles::kPitchA + k, grads_[i]);
    }
    for (int i = 0; i < kPacksB; ++i) {
      const int row = Tiles::row_of_column(first + i * kRowsAtOnce);
      Tiles::put(tiles.b + row * Tiles::kPitchB + k, inputs_[i]);
    }
  }

 private:
  static constexpr int kPacksOfRow = kK / kWidth;
  static constexpr int kRowsAtOnce = kBlock / kPacksOfRow;
  static constexpr int kPacksA = kM / kRowsAtOnce;
  static constexpr int kPacksB = kN / kRowsAtOnce;

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  /// Where the first image of result_ lies.
  __device__ void place_result() {
    const ConvShape& s = p_.shape;
    const int position = result_ / s.batch;
    image_ = result_ % s.batch;
    down_ = position / s.out_width() * s.stride;
    right_ = position % s.out_width() * s.stride;
  }

  const ResultParts& p_;
  const float* grad_output_;
  const float* input_;
  int row_;
  int result_;
  int end_;
  int image_;
  int down_;
  int right_;
  int top_[kPacksB];
  int left_[kPacksB];
  std::int64_t channel_[kPacksB];
  Pack<float, kWidth> grads_[kPacksA];
  Pack<float, kWidth> inputs_[kPacksB];
};

/// A block computes kM output channels of 64 taps over one part of the results. Grid: channel tiles
/// · tap tiles, parts, replicas. part_sums is [parts][R][Cout · K].
template <class Math, int kM, int kWidth>
__global__ void __launch_bounds__(kBlock)
    multiply_results(ResultParts p, Replicas<const float> input, Replicas<const float> grad_output,
                     Replicas<float> part_sums) {
  using Loader = ResultLoader<Math, kM, kWidth>;
  const int replica = static_cast<int>(blockIdx.z);
  const int part = static_cast<int>(blockIdx.y);
  const int column_tiles = (p.taps + Loader::kN - 1) / Loader::kN;
  const int first_row = static_cast<int>(blockIdx.x) / column_tiles * kM;
  const int first_column = static_cast<int>(blockIdx.x) % column_tiles * Loader::kN;
  const int first = part * p.part_results;
  const int end = first + (p.results - first < p.part_results ? p.results - first : p.part_results);
  float* out = part_sums[part * static_cast<int>(gridDim.z) + replica];
  Loader loader(p, grad_output[replica], input[replica], first_row, first_column, first, end);
  multiply_tiles(loader, (end - first + Loader::kK - 1) / Loader::kK,
                 [&](int tile_row, int tile_column, const Pack<float, 4>& sums) {
                   const int row = first_row + tile_row;
                   const int column = first_column + tile_column;
                   if (row >= p.shape.out_channels) return;
                   float* to = out + static_cast<std::int64_t>(row) * p.taps + column;
                   for (int j = 0; j < 4 && column + j < p.taps; ++j) to[j] = sums.at[j];
                 });
}

/// 4 bytes read a part and element, 4 written an element.
__global__ void add_result_parts(std::int64_t size, int parts, const float* part_sums,
                                 Replicas<float> grad_weight) {
  const std::int64_t i = pack_index(1);
  if (i >= size) return;
  float sum = 0;
#pragma unroll 8
  for (int p = 0; p < parts; ++p) {
    sum += part_sums[(static_cast<std::int64_t>(p) * gridDim.y + blockIdx.y) * size + i];
  }
  grad_weight[static_cast<int>(blockIdx.y)][i] = sum;
}

/// Parts of J, so that about 512 blocks run even for one small weight. Depends on the shape only.
ResultParts cut_results(const ConvShape& s, std::int64_t tiles, int tile_results) {
  const std::int64_t results = std::int64_t{s.out_height()} * s.out_width() * s.batch;
  check_results(results);
  const std::int64_t most = std::max<std::int64_t>(1, results / (8 * tile_results));
  const std::int64_t wanted = std::clamp<std::int64_t>(512 / (tiles * s.replicas), 1, most);
  const std::int64_t length = divide_up(divide_up(results, wanted), tile_results) * tile_results;
  return {.shape = s,
          .results = static_cast<int>(results),
          .taps = s.in_channels * s.kernel_height * s.kernel_width,
          .parts = static_cast<int>(divide_up(results, length)),
          .part_results = static_cast<int>(length)};
}

}  // namespace

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  const auto run = [&](auto math, auto tile_rows, auto width) {
    using Math = decltype(math);
    constexpr int kM = decltype(tile_rows)::value;
    constexpr int kWidth = decltype(width)::value;
    using Loader = ResultLoader<Math, kM, kWidth>;
    const std::int64_t taps = shape.weight_size() / shape.out_channels;
    const std::int64_t tiles = divide_up(shape.out_channels, kM) * divide_up(taps, Loader::kN);
    const ResultParts parts = cut_results(shape, tiles, Loader::kK);
    Replicas<float> sums = grad_weight;
    if (parts.parts > 1) {
      sums = {context.scratch_of<float>(static_cast<std::size_t>(shape.weight_size()) *
                                        static_cast<std::size_t>(shape.replicas * parts.parts)),
              shape.weight_size()};
    }
    launch(context, "conv_backward_weight",
           {.grid = {grid_extent(tiles, kMostBlocks), grid_extent(parts.parts),
                     grid_extent(shape.replicas)},
            .block = {kBlock}},
           multiply_results<Math, kM, kWidth>, parts, input, grad_output, sums);
    if (parts.parts == 1) return;
    launch(context, "add_result_parts", over_replicas(shape.replicas, shape.weight_size(), 1),
           add_result_parts, shape.weight_size(), parts.parts, static_cast<const float*>(sums.data),
           grad_weight);
  };
  with_math(context, [&](auto math) {
    with_pack_width(
        shape.batch,
        [&](auto width) {
          if (shape.out_channels <= 32) return run(math, Number<32>(), width);
          run(math, Number<64>(), width);
        },
        input, grad_output);
  });
}

}  // namespace redoubt::kernels::cuda::implicit
