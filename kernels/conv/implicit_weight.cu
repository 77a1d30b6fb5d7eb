// The weight gradient of the implicit engine (implicit.cu): tiled products whose columns are
// gathered while the block multiplies, here summed over results, J = OH·OW·N.
//
// Floor: 2·Cout·K·J operations a replica at the device's rate for the precision.
#include "kernels/conv/passes.h"
#include "kernels/conv/tiles.h"

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

/// As TapLoader, for tiles whose inner dimension is J. A thread's part lies in one pack of results,
/// of several rows of A and columns of B.
template <class Math, int kM, int kColumns, int kWidth>
class ResultLoader {
 public:
  static constexpr int kN = kColumns;
  static constexpr int kK = std::is_same_v<Math, Fp32> ? 32 : 16;
  using Tiles = TilePair<Math, kM, kN, kK, TileOrder::inner_columns, false>;
  using Sums = TileSums<Math, kM, kN, kK, TileOrder::inner_columns, false>;

  __device__ ResultLoader(const ResultParts& p, const float* grad_output, const float* input,
                          int first_row, int first_column, int first_result, int end)
      : p_(p),
        rows_(p.shape.out_channels - first_row - thread() / kPacksOfRow),
        result_(first_result + thread() % kPacksOfRow * kWidth),
        end_(end) {
    const ConvShape& s = p.shape;
    grad_output_ =
        grad_output + (first_row + thread() / kPacksOfRow) * std::int64_t{p.results} + result_;
    input_ = input + result_ % s.batch;
    image_ = result_ % s.batch;
    const int position = result_ / s.batch;
    down_ = position / s.out_width() * s.stride - s.padding;
    right_ = position % s.out_width() * s.stride - s.padding;
    for (int i = 0; i < kPacksB; ++i) {
      const int q = first_column + thread() / kPacksOfRow + i * kRowsAtOnce;
      const int c = q / s.kernel_width / s.kernel_height;
      u_[i] = q < p.taps ? q / s.kernel_width % s.kernel_height : kNowhere;
      v_[i] = q % s.kernel_width;
      tap_[i] = q < p.taps ? (c * s.height + u_[i]) * s.width + v_[i] : 0;
    }
  }

  /// Asks for this thread's part of the next kK results.
  __device__ void fetch(Tiles& tiles) {
    const ConvShape& s = p_.shape;
    const int first = thread() / kPacksOfRow;
    const int k = thread() % kPacksOfRow * kWidth;
    const bool more = result_ < end_;
    for (int i = 0; i < kPacksA; ++i) {
      copy_async<4 * kWidth>(tiles.a + (first + i * kRowsAtOnce) * Tiles::kPitchA + k,
                             grad_output_ + std::int64_t{i} * kRowsAtOnce * p_.results,
                             more && i * kRowsAtOnce < rows_);
    }
    const int position = down_ * s.width + right_;
    for (int i = 0; i < kPacksB; ++i) {
      const int h = down_ + u_[i];
      const int w = right_ + v_[i];
      const bool inside = more && is_below(h, s.height) && is_below(w, s.width);
      const int row = Tiles::row_of_column(first + i * kRowsAtOnce);
      copy_async<4 * kWidth>(tiles.b + row * Tiles::kPitchB + k,
                             input_ + std::int64_t{tap_[i] + position} * s.batch, inside);
    }
    advance();
  }

 private:
  static constexpr int kNowhere = -(1 << 30);  ///< above every input
  static constexpr int kPacksOfRow = kK / kWidth;
  static constexpr int kRowsAtOnce = Sums::kThreads / kPacksOfRow;
  static constexpr int kPacksA = kM / kRowsAtOnce;
  static constexpr int kPacksB = kN / kRowsAtOnce;
  static_assert(kPacksA * kRowsAtOnce == kM && kPacksB * kRowsAtOnce == kN);

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  /// To the pack kK results further on.
  __device__ void advance() {
    const ConvShape& s = p_.shape;
    result_ += kK;
    grad_output_ += kK;
    image_ += kK;
    input_ += kK;
    while (image_ >= s.batch) {
      image_ -= s.batch;
      input_ -= s.batch;
      right_ += s.stride;
      if (right_ + s.padding < s.out_width() * s.stride) continue;
      right_ = -s.padding;
      down_ += s.stride;
    }
  }

  const ResultParts& p_;
  int rows_;  ///< of grad_output from this thread's first on
  int result_;
  int end_;
  int image_;
  int down_;  ///< where tap (0, 0) of the results reads
  int right_;
  const float* grad_output_;
  const float* input_;
  int u_[kPacksB];
  int v_[kPacksB];
  int tap_[kPacksB];  ///< floats / batch from where tap (0, 0) of channel 0 reads
};

/// A block computes kM output channels of kColumns taps over one part of the results. Grid: channel
/// tiles · tap tiles, parts, replicas. part_sums is [parts][R][Cout · K].
template <class Math, int kM, int kColumns, int kWidth>
__global__ void __launch_bounds__(ResultLoader<Math, kM, kColumns, kWidth>::Sums::kThreads)
    multiply_results(ResultParts p, Replicas<const float> input, Replicas<const float> grad_output,
                     Replicas<float> part_sums) {
  using Loader = ResultLoader<Math, kM, kColumns, kWidth>;
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
                 [&]<int kSums>(int tile_row, int tile_column, const Pack<float, kSums>& sums) {
                   const int row = first_row + tile_row;
                   const int column = first_column + tile_column;
                   if (row >= p.shape.out_channels) return;
                   float* to = out + static_cast<std::int64_t>(row) * p.taps + column;
                   for (int j = 0; j < kSums && column + j < p.taps; ++j) to[j] = sums.at[j];
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
  const std::int64_t taps = shape.weight_size() / shape.out_channels;
  const auto run = [&](auto math, auto tile_rows, auto tile_columns, auto width) {
    constexpr int kM = decltype(tile_rows)::value;
    constexpr int kColumns = decltype(tile_columns)::value;
    constexpr int kWidth = decltype(width)::value;
    using Math = decltype(math);
    using Loader = ResultLoader<Math, kM, kColumns, kWidth>;
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
            .block = {Loader::Sums::kThreads},
            .shared_bytes = kSharedBytesOf<Loader>},
           multiply_results<Math, kM, kColumns, kWidth>, parts, input, grad_output, sums);
    if (parts.parts == 1) return;
    launch(context, "add_result_parts", over_replicas(shape.replicas, shape.weight_size(), 1),
           add_result_parts, shape.weight_size(), parts.parts, static_cast<const float*>(sums.data),
           grad_weight);
  };
  with_math(context, [&](auto math) {
    with_pack_width(
        shape.batch,
        [&](auto width) {
          const auto run_rows = [&](auto tile_rows) {
            constexpr bool kFp32 = std::is_same_v<decltype(math), Fp32>;  // short of registers
            if (kFp32 || taps <= 64) return run(math, tile_rows, Number<64>(), width);
            if constexpr (!kFp32) run(math, tile_rows, Number<128>(), width);
          };
          if (shape.out_channels <= 32) return run_rows(Number<32>());
          run_rows(Number<64>());
        },
        input, grad_output);
  });
}

}  // namespace redoubt::kernels::cuda::implicit
