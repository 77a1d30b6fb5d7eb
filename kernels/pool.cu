// Pooling on CUDA. A thread computes one result from all it depends on, in a fixed order, so
// overlapping windows need no atomics; on the way back, small windows that lie side by side are
// written whole by one thread each. A block takes one row of results (all its columns and images,
// contiguous in memory); rows shared by neighbouring windows come from a cache.
#include "kernels/pool.h"

#include "base/check.h"
#include "kernels/cuda_parts.h"
#include "kernels/wide_store.h"

namespace redoubt::kernels::cuda {

namespace {

/// Which row of which channel the calling block takes: blockIdx.x = (replica · C + channel) · rows
/// + row.
struct RowOfBlock {
  int replica;
  int channel;
  int row;
  __device__ RowOfBlock(int channels, int rows)
      : replica(static_cast<int>(blockIdx.x / rows / channels)),
        channel(static_cast<int>(blockIdx.x / rows % channels)),
        row(static_cast<int>(blockIdx.x % rows)) {}
};

LaunchShape a_block_a_row(const PoolShape& s, int rows, int columns, int width) {
  const std::int64_t blocks = std::int64_t{s.replicas} * s.channels * rows;
  const std::int64_t packs = std::int64_t{columns} * s.batch / width;
  // As many threads as leave none idle in the last of the passes that the row takes.
  const std::int64_t passes = std::max<std::int64_t>(divide_up(packs, kBlock), 1);
  return {.grid = {grid_extent(blocks, kMostBlocks)},
          .block = {threads_for(divide_up(packs, passes))}};
}

/// The sum of the rectified inputs of one band of rows over the first `valid` images, for thread 0.
/// The block's windows have just read most of the band, so it comes from the first cache.
__device__ double rectified_band_sum(const float* band, int count, int batch, int valid) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    if (valid < batch && i % batch >= valid) continue;
    sum += static_cast<double>(band[i] < 0 ? 0 : band[i]);
  }
  return block_sum(sum);
}

/// Max over windows, with ReLU, mask and recording where asked. Bytes an input element: 4 read, and
/// (4 + 1) / stride² written. kWindow 0: any window. band_sums [R·C][OH]: the recorded sum of the
/// rows that begin with this row of windows and end before the next (or with the input).
template <int kWidth, int kWindow>
__global__ void max_of_windows(PoolShape s, Replicas<const float> input, ChannelEffects effects,
                               double* band_sums, Replicas<float> output,
                               Replicas<std::uint8_t> argmax) {
  const RowOfBlock at(s.channels, s.out_height());
  const int window = kWindow > 0 ? kWindow : s.window;
  const int in_row = s.width * s.batch;
  const int out_row = s.out_width() * s.batch;
  const int top = at.row * s.stride;
  const float* in = input[at.replica] + (std::int64_t{at.channel} * s.height + top) * in_row;
  const std::int64_t start = (std::int64_t{at.channel} * s.out_height() + at.row) * out_row;
  const bool silent = effects.mask && effects.mask[at.replica][at.channel] == 0;
  for (int x = static_cast<int>(threadIdx.x) * kWidth; x < out_row;
       x += static_cast<int>(blockDim.x) * kWidth) {
    Pack<float, kWidth> best = {};
    Pack<std::uint8_t, kWidth> place = {};
    if (!silent) {
      const float* corner = in + (x / s.batch) * s.stride * s.batch + x % s.batch;
      best = load<kWidth>(corner);
#pragma unroll
      for (int u = 0; u < window; ++u) {
#pragma unroll
        for (int v = 0; v < window; ++v) {
          const auto values =
              load<kWidth>(corner + static_cast<std::int64_t>(u) * in_row + v * s.batch);
          for (int j = 0; j < kWidth; ++j) {
            const float value = values.at[j];
            const float held = best.at[j];
            // NaN wins over numbers: no comparison with it is true.
            const bool wins = value > held || (value != value && held == held);
            best.at[j] = wins ? value : held;
            place.at[j] = wins ? static_cast<std::uint8_t>(u * window + v) : place.at[j];
          }
        }
      }
      if (s.relu) {
        for (int j = 0; j < kWidth; ++j) best.at[j] = best.at[j] < 0 ? 0 : best.at[j];
      }
    }
    store_global(output[at.replica] + start + x, best);
    if (argmax) store(argmax[at.replica] + start + x, place);
  }
  if (!effects.record) return;
  const int bottom = at.row + 1 == s.out_height() ? s.height : top + s.stride;
  const int count = silent ? 0 : (bottom - top) * in_row;
  const double sum = rectified_band_sum(in, count, s.batch, effects.valid[at.replica]);
  if (threadIdx.x == 0) band_sums[blockIdx.x] = sum;
}

// ---- The way back -------------------------------------------------------------------------------

/// Whether windows lie side by side and are small enough for a thread to write a whole one.
bool has_small_tiles(const PoolShape& s) { return s.window == s.stride && s.window <= 4; }

/// 0 for the inputs that no window covers: the rows of the channel from `row` on, or the columns of
/// the rows in [row, end) from `column` on, where `in` is the channel.
template <int kWidth>
__device__ void clear_outside(const PoolShape& s, int row, int end, int column, float* in) {
  const int left = (s.width - column) * s.batch;
  for (int h = row; h < end; ++h) {
    float* to = in + (static_cast<std::int64_t>(h) * s.width + column) * s.batch;
    for (int x = static_cast<int>(threadIdx.x) * kWidth; x < left;
         x += static_cast<int>(blockDim.x) * kWidth) {
      store_global(to + x, Pack<float, kWidth>{});
    }
  }
}

/// Windows side by side: a block takes a row of them and every thread writes whole windows, place
/// p of which gets share(read(replica, offset of the window in the replica), p). The last row of
/// windows takes the rows below, too. kWindow 0: any window.
template <int kWidth, int kWindow, class Read, class Share>
__device__ void write_tiles(const PoolShape& s, Replicas<float> grad_input, const Read& read,
                            const Share& share) {
  const RowOfBlock at(s.channels, s.out_height());
  const int window = kWindow > 0 ? kWindow : s.window;
  const int in_row = s.width * s.batch;
  const int out_row = s.out_width() * s.batch;
  const std::int64_t from = (std::int64_t{at.channel} * s.out_height() + at.row) * out_row;
  float* in = grad_input[at.replica] + std::int64_t{at.channel} * s.height * in_row;
  const int top = at.row * window;
  for (int x = static_cast<int>(threadIdx.x) * kWidth; x < out_row;
       x += static_cast<int>(blockDim.x) * kWidth) {
    const auto given = read(at.replica, from + x);
    float* corner = in + static_cast<std::int64_t>(top) * in_row +
                    static_cast<std::int64_t>(x / s.batch) * window * s.batch + x % s.batch;
#pragma unroll
    for (int u = 0; u < window; ++u) {
#pragma unroll
      for (int v = 0; v < window; ++v) {
        store_global(corner + static_cast<std::int64_t>(u) * in_row + v * s.batch,
                     share(given, u * window + v));
      }
    }
  }
  const int bottom = top + window;
  clear_outside<kWidth>(s, top, bottom, s.out_width() * window, in);
  if (at.row + 1 == s.out_height()) clear_outside<kWidth>(s, bottom, s.height, 0, in);
}

template <int kWidth>
struct WonGradient {
  Pack<std::uint8_t, kWidth> winner;
  Pack<float, kWidth> grad;
};

/// Max pooling with windows side by side. Bytes an input element: 4 written, and (4 + 4 + 1) /
/// stride² read.
template <int kWidth, int kWindow>
__global__ void scatter_to_winners(PoolShape s, Replicas<const float> output,
                                   Replicas<const std::uint8_t> argmax,
                                   Replicas<const float> grad_output, Replicas<float> grad_input) {
  write_tiles<kWidth, kWindow>(
      s, grad_input,
      [&](int replica, std::int64_t from) {
        WonGradient<kWidth> given;
        given.winner = load<kWidth>(argmax[replica] + from);
        given.grad = load<kWidth>(grad_output[replica] + from);
        if (!s.relu) return given;
        const auto out = load<kWidth>(output[replica] + from);
        for (int j = 0; j < kWidth; ++j) given.grad.at[j] = out.at[j] > 0 ? given.grad.at[j] : 0;
        return given;
      },
      [](const WonGradient<kWidth>& given, int place) {
        Pack<float, kWidth> values;
        for (int j = 0; j < kWidth; ++j) {
          values.at[j] = given.winner.at[j] == place ? given.grad.at[j] : 0;
        }
        return values;
      });
}

/// Average pooling with windows side by side. Bytes an input element: 4 written, and 4 / stride²
/// read.
template <int kWidth, int kWindow>
__global__ void spread_over_windows(PoolShape s, float share, Replicas<const float> grad_output,
                                    Replicas<float> grad_input) {
  write_tiles<kWidth, kWindow>(
      s, grad_input,
      [&](int replica, std::int64_t from) {
        auto values = load<kWidth>(grad_output[replica] + from);
        for (int j = 0; j < kWidth; ++j) values.at[j] *= share;
        return values;
      },
      [](const Pack<float, kWidth>& values, int /*place*/) { return values; });
}

/// The windows along one axis that cover an input position.
struct Covering {
  int first;
  int last;
  __device__ Covering(int position, int window, int stride, int windows)
      : first(position < window ? 0 : (position - window) / stride + 1),
        last(position / stride < windows ? position / stride : windows - 1) {}
};

/// Windows that overlap, are large or leave gaps: each input takes the gradients of the windows it
/// won, in ascending order. Bytes an input element: 4 written, and (4 + 4 + 1) / stride² read.
template <int kWidth>
__global__ void gather_from_winners(PoolShape s, Replicas<const float> output,
                                    Replicas<const std::uint8_t> argmax,
                                    Replicas<const float> grad_output, Replicas<float> grad_input) {
  const RowOfBlock at(s.channels, s.height);
  const int in_row = s.width * s.batch;
  const int out_row = s.out_width() * s.batch;
  const std::int64_t out_channel = std::int64_t{at.channel} * s.out_height() * out_row;
  float* to = grad_input[at.replica] + (std::int64_t{at.channel} * s.height + at.row) * in_row;
  const Covering vertical(at.row, s.window, s.stride, s.out_height());
  for (int x = static_cast<int>(threadIdx.x) * kWidth; x < in_row;
       x += static_cast<int>(blockDim.x) * kWidth) {
    const int column = x / s.batch;
    const Covering horizontal(column, s.window, s.stride, s.out_width());
    Pack<float, kWidth> sum = {};
    for (int oh = vertical.first; oh <= vertical.last; ++oh) {
      for (int ow = horizontal.first; ow <= horizontal.last; ++ow) {
        const int place = (at.row - oh * s.stride) * s.window + column - ow * s.stride;
        const std::int64_t from =
            out_channel + static_cast<std::int64_t>(oh) * out_row + ow * s.batch + x % s.batch;
        const auto winner = load<kWidth>(argmax[at.replica] + from);
        const auto grad = load<kWidth>(grad_output[at.replica] + from);
        Pack<float, kWidth> out = {};
        if (s.relu) out = load<kWidth>(output[at.replica] + from);
        for (int j = 0; j < kWidth; ++j) {
          if (winner.at[j] == place && (!s.relu || out.at[j] > 0)) sum.at[j] += grad.at[j];
        }
      }
    }
    store_global(to + x, sum);
  }
}

/// Mean over windows. Bytes an input element: 4 read, 4 / stride² written.
template <int kWidth>
__global__ void mean_of_windows(PoolShape s, float share, Replicas<const float> input,
                                Replicas<float> output) {
  const RowOfBlock at(s.channels, s.out_height());
  const int in_row = s.width * s.batch;
  const int out_row = s.out_width() * s.batch;
  const float* in =
      input[at.replica] + (std::int64_t{at.channel} * s.height + at.row * s.stride) * in_row;
  float* to = output[at.replica] + (std::int64_t{at.channel} * s.out_height() + at.row) * out_row;
  for (int x = static_cast<int>(threadIdx.x) * kWidth; x < out_row;
       x += static_cast<int>(blockDim.x) * kWidth) {
    const float* corner = in + (x / s.batch) * s.stride * s.batch + x % s.batch;
    Pack<float, kWidth> sum = {};
    for (int u = 0; u < s.window; ++u) {
      for (int v = 0; v < s.window; ++v) {
        const auto values =
            load<kWidth>(corner + static_cast<std::int64_t>(u) * in_row + v * s.batch);
        for (int j = 0; j < kWidth; ++j) sum.at[j] += share * values.at[j];
      }
    }
    store_global(to + x, sum);
  }
}

/// Windows that overlap, are large or leave gaps: each input takes its share of the gradients of
/// the windows that cover it, in ascending order. Bytes an input element: 4 written, and 4 /
/// stride² read.
template <int kWidth>
__global__ void gather_from_windows(PoolShape s, float share, Replicas<const float> grad_output,
                                    Replicas<float> grad_input) {
  const RowOfBlock at(s.channels, s.height);
  const int in_row = s.width * s.batch;
  const int out_row = s.out_width() * s.batch;
  const float* from = grad_output[at.replica] + std::int64_t{at.channel} * s.out_height() * out_row;
  float* to = grad_input[at.replica] + (std::int64_t{at.channel} * s.height + at.row) * in_row;
  const Covering vertical(at.row, s.window, s.stride, s.out_height());
  for (int x = static_cast<int>(threadIdx.x) * kWidth; x < in_row;
       x += static_cast<int>(blockDim.x) * kWidth) {
    const Covering horizontal(x / s.batch, s.window, s.stride, s.out_width());
    Pack<float, kWidth> sum = {};
    for (int oh = vertical.first; oh <= vertical.last; ++oh) {
      for (int ow = horizontal.first; ow <= horizontal.last; ++ow) {
        const auto grad = load<kWidth>(from + static_cast<std::int64_t>(oh) * out_row +
                                       ow * s.batch + x % s.batch);
        for (int j = 0; j < kWidth; ++j) sum.at[j] += share * grad.at[j];
      }
    }
    store_global(to + x, sum);
  }
}

void check_shape(const PoolShape& s) {
  check(s.window >= 1, "a pooling window is at least 1");
  check(s.window <= s.height && s.window <= s.width, "a pooling window fits into its input");
}

float share_of(const PoolShape& s) { return 1.0F / static_cast<float>(s.window * s.window); }

}  // namespace

void max_pool_forward(Context& context, const PoolShape& shape, Replicas<const float> input,
                      const ChannelEffects& effects, Replicas<float> output,
                      Replicas<std::uint8_t> argmax) {
  check_shape(shape);
  check(shape.window <= kLargestMaxPoolWindow, "a window of max pooling is at most 15");
  check(shape.relu || (!effects.mask && !effects.record),
        "masks and recording come with the fused ReLU");
  ChannelRecord record(context, shape.replicas, shape.channels, shape.out_height(), effects);
  with_pack_width(
      shape.batch,
      [&](auto width) {
        const auto kernel = shape.window == 2 ? max_of_windows<width, 2> : max_of_windows<width, 0>;
        launch(context, "max_pool_forward",
               a_block_a_row(shape, shape.out_height(), shape.out_width(), width), kernel, shape,
               input, effects, record.part_sums(), output, argmax);
      },
      input, output, argmax);
  record.add_up();
}

void max_pool_backward(Context& context, const PoolShape& shape, Replicas<const float> output,
                       Replicas<const std::uint8_t> argmax, Replicas<const float> grad_output,
                       Replicas<float> grad_input) {
  check_shape(shape);
  check(shape.window <= kLargestMaxPoolWindow, "a window of max pooling is at most 15");
  with_pack_width(
      shape.batch,
      [&](auto width) {
        if (has_small_tiles(shape)) {
          const auto kernel =
              shape.window == 2 ? scatter_to_winners<width, 2> : scatter_to_winners<width, 0>;
          return launch(context, "max_pool_backward",
                        a_block_a_row(shape, shape.out_height(), shape.out_width(), width), kernel,
                        shape, output, argmax, grad_output, grad_input);
        }
        launch(context, "max_pool_backward", a_block_a_row(shape, shape.height, shape.width, width),
               gather_from_winners<width>, shape, output, argmax, grad_output, grad_input);
      },
      output, argmax, grad_output, grad_input);
}

void average_pool_forward(Context& context, const PoolShape& shape, Replicas<const float> input,
                          Replicas<float> output) {
  check_shape(shape);
  with_pack_width(
      shape.batch,
      [&](auto width) {
        launch(context, "average_pool_forward",
               a_block_a_row(shape, shape.out_height(), shape.out_width(), width),
               mean_of_windows<width>, shape, share_of(shape), input, output);
      },
      input, output);
}

void average_pool_backward(Context& context, const PoolShape& shape,
                           Replicas<const float> grad_output, Replicas<float> grad_input) {
  check_shape(shape);
  with_pack_width(
      shape.batch,
      [&](auto width) {
        if (has_small_tiles(shape)) {
          const auto kernel =
              shape.window == 2 ? spread_over_windows<width, 2> : spread_over_windows<width, 0>;
          return launch(context, "average_pool_backward",
                        a_block_a_row(shape, shape.out_height(), shape.out_width(), width), kernel,
                        shape, share_of(shape), grad_output, grad_input);
        }
        launch(context, "average_pool_backward",
               a_block_a_row(shape, shape.height, shape.width, width), gather_from_windows<width>,
               shape, share_of(shape), grad_output, grad_input);
      },
      grad_output, grad_input);
}

}  // namespace redoubt::kernels::cuda
