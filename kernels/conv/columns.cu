// Convolution as cuBLAS products with columns in scratch memory, for as many replicas at a time as
// fit there.
#include "kernels/bias.h"
#include "kernels/conv/passes.h"
#include "kernels/cuda_parts.h"
#include "kernels/gemm.h"

namespace redoubt::kernels::cuda::columns {

namespace {

constexpr std::int64_t kScratchFloats = std::int64_t{1} << 26;  ///< 256 MiB

/// The columns of one pass, and how many replicas' fit into scratch.
struct Columns {
  int taps;              ///< K
  std::int64_t results;  ///< J
  int at_once;           ///< replicas
  bool is_input;         ///< nothing to build: the columns are the input

  explicit Columns(const ConvShape& s)
      : taps(s.in_channels * s.kernel_height * s.kernel_width),
        results(std::int64_t{s.out_height()} * s.out_width() * s.batch),
        is_input(s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.padding == 0) {
    at_once = static_cast<int>(
        std::clamp<std::int64_t>(kScratchFloats / size(), 1, std::min(s.replicas, 65535)));
  }
  std::int64_t size() const { return taps * results; }
  int stride() const { return static_cast<int>(results); }
  /// Memory for the columns of `count` blocks.
  Replicas<float> memory(Context& context, int count) const {
    return {context.scratch_of<float>(static_cast<std::size_t>(count * size())), size()};
  }
};

/// Writes one row of columns: one tap's inputs for one row of results (all its columns and images),
/// 0 where the tap reads padding. blockIdx.x = tap · OH + result row, blockIdx.y the replica. 4
/// bytes read (mostly from the L2 cache: every input is read once a tap) and 4 written a column
/// element.
template <int kWidth>
__global__ void unfold_rows(ConvShape s, Replicas<const float> input, Replicas<float> columns) {
  const int tap = static_cast<int>(blockIdx.x) / s.out_height();
  const int oh = static_cast<int>(blockIdx.x) % s.out_height();
  const int v = tap % s.kernel_width;
  const int u = tap / s.kernel_width % s.kernel_height;
  const int c = tap / s.kernel_width / s.kernel_height;
  const int h = oh * s.stride + u - s.padding;
  const int row = s.out_width() * s.batch;
  const bool inside = h >= 0 && h < s.height;
  const float* from =
      input[static_cast<int>(blockIdx.y)] + (std::int64_t{c} * s.height + h) * s.width * s.batch;
  float* to =
      columns[static_cast<int>(blockIdx.y)] + (std::int64_t{tap} * s.out_height() + oh) * row;
  for (int x = static_cast<int>(threadIdx.x) * kWidth; x < row;
       x += static_cast<int>(blockDim.x) * kWidth) {
    const int w = x / s.batch * s.stride + v - s.padding;
    Pack<float, kWidth> values = {};
    if (inside && w >= 0 && w < s.width) {
      values = load<kWidth>(from + std::int64_t{w} * s.batch + x % s.batch);
    }
    store(to + x, values);
  }
}

/// The way back: every input gathers the gradients of the columns it stands in, in ascending order
/// of taps, so there are no atomics. blockIdx.x = channel · H + row. 4 bytes read a column element,
/// 4 written an input.
template <int kWidth>
__global__ void fold_rows(ConvShape s, Replicas<const float> grad_columns,
                          Replicas<float> grad_input) {
  const int c = static_cast<int>(blockIdx.x) / s.height;
  const int h = static_cast<int>(blockIdx.x) % s.height;
  const int out_row = s.out_width() * s.batch;
  const int row = s.width * s.batch;
  const float* from = grad_columns[static_cast<int>(blockIdx.y)];
  float* to =
      grad_input[static_cast<int>(blockIdx.y)] + static_cast<std::int64_t>(blockIdx.x) * row;
  for (int x = static_cast<int>(threadIdx.x) * kWidth; x < row;
       x += static_cast<int>(blockDim.x) * kWidth) {
    const int w = x / s.batch;
    Pack<float, kWidth> sum = {};
    for (int u = 0; u < s.kernel_height; ++u) {
      const int down = h + s.padding - u;
      const int oh = down / s.stride;
      if (down < 0 || down % s.stride != 0 || oh >= s.out_height()) continue;
      for (int v = 0; v < s.kernel_width; ++v) {
        const int right = w + s.padding - v;
        const int ow = right / s.stride;
        if (right < 0 || right % s.stride != 0 || ow >= s.out_width()) continue;
        const std::int64_t tap = (std::int64_t{c} * s.kernel_height + u) * s.kernel_width + v;
        const auto values =
            load<kWidth>(from + (tap * s.out_height() + oh) * out_row + ow * s.batch + x % s.batch);
        for (int j = 0; j < kWidth; ++j) sum.at[j] += values.at[j];
      }
    }
    store(to + x, sum);
  }
}

/// The columns of `replicas` inputs; one block if they share their input.
Replicas<const float> unfold(Context& context, const ConvShape& s, const Columns& columns,
                             int replicas, Replicas<const float> input) {
  if (columns.is_input) return input;
  const bool shared = input.pitch == 0;
  const int blocks = shared ? 1 : replicas;
  const Replicas<float> memory = columns.memory(context, blocks);
  with_pack_width(
      s.batch,
      [&](auto width) {
        launch(context, "unfold",
               {.grid = {grid_extent(std::int64_t{columns.taps} * s.out_height(), kMostBlocks),
                         grid_extent(blocks)},
                .block = {threads_for(s.out_width() * s.batch / width)}},
               unfold_rows<width>, s, input, memory);
      },
      input, memory);
  return {memory.data, shared ? 0 : memory.pitch};
}

/// Calls body(first replica, replicas) for groups of replicas whose columns fit into scratch.
template <class Body>
void for_replica_groups(const ConvShape& s, const Columns& columns, const Body& body) {
  for (int first = 0; first < s.replicas; first += columns.at_once) {
    body(first, std::min(columns.at_once, s.replicas - first));
  }
}

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  const Columns columns(shape);
  for_replica_groups(shape, columns, [&](int first, int replicas) {
    cuda::gemm(context,
               {.replicas = replicas,
                .rows = shape.out_channels,
                .columns = columns.stride(),
                .inner = columns.taps,
                .a_stride = columns.taps,
                .b_stride = columns.stride(),
                .c_stride = columns.stride()},
               weight.from(first), unfold(context, shape, columns, replicas, input.from(first)),
               output.from(first));
  });
  if (bias) cuda::add_bias(context, shape.output(), bias, output);
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  const Columns columns(shape);
  for_replica_groups(shape, columns, [&](int first, int replicas) {
    // ∂columns [K x J] = weightᵀ [K x Cout] · grad_output [Cout x J]
    const Replicas<float> grad_columns =
        columns.is_input ? grad_input.from(first) : columns.memory(context, replicas);
    cuda::gemm(context,
               {.replicas = replicas,
                .rows = columns.taps,
                .columns = columns.stride(),
                .inner = shape.out_channels,
                .transpose_a = true,
                .a_stride = columns.taps,
                .b_stride = columns.stride(),
                .c_stride = columns.stride()},
               weight.from(first), grad_output.from(first), grad_columns);
    if (columns.is_input) return;
    const std::int64_t rows = std::int64_t{shape.in_channels} * shape.height;
    with_pack_width(
        shape.batch,
        [&](auto width) {
          launch(context, "fold",
                 {.grid = {grid_extent(rows, kMostBlocks), grid_extent(replicas)},
                  .block = {threads_for(shape.width * shape.batch / width)}},
                 fold_rows<width>, shape, grad_columns, grad_input.from(first));
        },
        grad_columns, grad_input);
  });
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  const Columns columns(shape);
  for_replica_groups(shape, columns, [&](int first, int replicas) {
    // ∂weight [Cout x K] = grad_output [Cout x J] · columnsᵀ [J x K]
    cuda::gemm(context,
               {.replicas = replicas,
                .rows = shape.out_channels,
                .columns = columns.taps,
                .inner = columns.stride(),
                .transpose_b = true,
                .a_stride = columns.stride(),
                .b_stride = columns.stride(),
                .c_stride = columns.taps},
               grad_output.from(first),
               unfold(context, shape, columns, replicas, input.from(first)),
               grad_weight.from(first));
  });
}

}  // namespace redoubt::kernels::cuda::columns
