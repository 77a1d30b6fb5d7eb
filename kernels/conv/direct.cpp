// Convolution on a CPU: products of matrices that are never built.
#include <algorithm>

#include "kernels/conv/passes.h"
#include "kernels/conv/taps.h"

namespace redoubt::kernels::direct {

namespace {

void forward_one(Context& context, const ConvShape& s, const float* input, const float* weight,
                 const float* bias, float* output) {
  const Taps taps = {s.out_channels, s.in_channels, s.kernel_height, s.kernel_width};
  const std::int64_t row = std::int64_t{s.width} * s.batch;
  const std::int64_t out_channel = std::int64_t{s.out_height()} * s.out_width() * s.batch;
  const std::int64_t area = std::int64_t{s.kernel_height} * s.kernel_width;
  TapProduct product(context, taps, {weight, s.in_channels * area, area},
                     {s.height * row, row, s.batch}, out_channel, bias);

  const auto horizontal_taps = [&](int ow) {
    return forward_taps(ow, s.kernel_width, s.stride, s.padding, s.width);
  };
  for (int oh = 0; oh < s.out_height(); ++oh) {
    const TapRange vertical = forward_taps(oh, s.kernel_height, s.stride, s.padding, s.height);
    const int top = oh * s.stride - s.padding + vertical.first;
    for_stretches(s.out_width(), s.stride == 1, horizontal_taps,
                  [&](int ow, int count, const TapRange& horizontal) {
                    const int left = ow * s.stride - s.padding + horizontal.first;
                    product.run({vertical, horizontal,
                                 input + top * row + std::int64_t{left} * s.batch, count * s.batch,
                                 output + (std::int64_t{oh} * s.out_width() + ow) * s.batch});
                  });
  }
}

void backward_input_one(Context& context, const ConvShape& s, const float* weight,
                        const float* grad_output, float* grad_input) {
  const Taps taps = {s.in_channels, s.out_channels, s.kernel_height, s.kernel_width};
  const std::int64_t channel = std::int64_t{s.height} * s.width * s.batch;
  const std::int64_t out_row = std::int64_t{s.out_width()} * s.batch;
  const std::int64_t area = std::int64_t{s.kernel_height} * s.kernel_width;
  TapProduct product(context, taps, {weight, area, s.in_channels * area},
                     {s.out_height() * out_row, -out_row, -s.batch}, channel, nullptr);

  const auto horizontal_taps = [&](int w) {
    return backward_taps(w, s.kernel_width, s.stride, s.padding, s.out_width());
  };
  for (int h = 0; h < s.height; ++h) {
    const TapRange vertical =
        backward_taps(h, s.kernel_height, s.stride, s.padding, s.out_height());
    const int oh = (h + s.padding - vertical.first) / s.stride;
    for_stretches(
        s.width, s.stride == 1, horizontal_taps, [&](int w, int count, const TapRange& horizontal) {
          const int ow = (w + s.padding - horizontal.first) / s.stride;
          product.run({vertical, horizontal,
                       grad_output + oh * out_row + std::int64_t{ow} * s.batch, count * s.batch,
                       grad_input + (std::int64_t{h} * s.width + w) * s.batch});
        });
  }
}

/// A copy of the input with its padding written out, so that every tap reads memory.
const float* padded_input(Context& context, const ConvShape& s, const float* input) {
  const int width = s.width + 2 * s.padding;
  const std::int64_t channel = std::int64_t{s.height + 2 * s.padding} * width * s.batch;
  auto* padded = context.scratch_of<float>(static_cast<std::size_t>(s.in_channels * channel));
  std::fill(padded, padded + s.in_channels * channel, 0.0F);
  const std::int64_t row = std::int64_t{s.width} * s.batch;
  for (int c = 0; c < s.in_channels; ++c) {
    for (int h = 0; h < s.height; ++h) {
      std::copy_n(
          input + (std::int64_t{c} * s.height + h) * row, row,
          padded + c * channel + (std::int64_t{h + s.padding} * width + s.padding) * s.batch);
    }
  }
  return padded;
}

/// A part of an output channel: rows [row, row + rows), and of each the floats [first, first +
/// length).
struct Part {
  int row;
  int rows;
  int first;
  int length;
};

/// Floats of a part, about: a tile's rows of grad_output should fit into the first cache.
constexpr int kPart = 1024;
/// Floats of the input that are kept in the first cache beside them, about.
constexpr int kKept = 4096;

/// grad_weight[o][c, u, v] += Σ grad_output[o] · input[c] shifted by (u, v), over one part; the
/// input has no padding left.
void add_weight_gradient(const ConvShape& s, const Part& part, const float* input,
                         const float* grad_output, float* grad_weight) {
  const Tiles& tile = tiles();
  const std::int64_t row = std::int64_t{s.width} * s.batch;
  const std::int64_t out_row = std::int64_t{s.out_width()} * s.batch;
  const int area = s.kernel_height * s.kernel_width;
  const int columns = s.in_channels * area;
  const RowTiles rows(s.out_channels, tile.dot_rows);
  // Whole tiles of columns only, but for the last.
  const int kept_columns = std::max(1, kKept / (part.rows * part.length)) * s.kernel_width;
  const int chunk = (kept_columns + tile.dot_columns - 1) / tile.dot_columns * tile.dot_columns;
  for (int chunk_start = 0; chunk_start < columns; chunk_start += chunk) {
    const int chunk_end = std::min(chunk_start + chunk, columns);
    for (int rt = 0; rt < rows.tiles; ++rt) {
      for (int first_column = chunk_start; first_column < chunk_end;
           first_column += tile.dot_columns) {
        const int width = std::min(tile.dot_columns, chunk_end - first_column);
        const float* b[8];
        for (int k = 0; k < width; ++k) {
          const int c = (first_column + k) / area;
          const int u = (first_column + k) % area / s.kernel_width;
          const int v = (first_column + k) % s.kernel_width;
          b[k] = input + (std::int64_t{c} * s.height + part.row * s.stride + u) * row +
                 std::int64_t{v} * s.batch + part.first;
        }
        const int index = (rows.height(rt) - 1) * tile.dot_columns + width - 1;
        const bool strided = s.stride > 1;
        tile.dot[index](
            {.a = grad_output + (rows.first(rt) * s.out_height() + part.row) * out_row + part.first,
             .a_stride = s.out_height() * out_row,
             .a_step = strided ? s.batch : out_row,
             .b = b,
             .b_step = strided ? std::int64_t{s.stride} * s.batch : row,
             .segments = strided ? s.out_width() : part.rows,
             .length = strided ? s.batch : part.length,
             .sums = grad_weight + std::int64_t{rows.first(rt)} * columns + first_column,
             .sums_stride = columns});
      }
    }
  }
}

void backward_weight_one(Context& context, const ConvShape& shape, const float* input,
                         const float* grad_output, float* grad_weight) {
  ConvShape s = shape;
  if (s.padding > 0) {
    input = padded_input(context, s, input);
    s.height += 2 * s.padding;
    s.width += 2 * s.padding;
    s.padding = 0;
  }
  std::fill(grad_weight, grad_weight + shape.weight_size(), 0.0F);
  // A part of grad_output at a time, so that what a row of tiles reads again is still in cache.
  const int out_row = s.out_width() * s.batch;
  for (int oh = 0; oh < s.out_height();) {
    const int rows = s.stride > 1 ? 1 : std::min(std::max(1, kPart / out_row), s.out_height() - oh);
    const int pieces = s.stride > 1 ? 1 : std::max(1, out_row / kPart);
    for (int piece = 0; piece < pieces; ++piece) {
      const int first = piece * out_row / pieces;
      add_weight_gradient(s, {oh, rows, first, (piece + 1) * out_row / pieces - first}, input,
                          grad_output, grad_weight);
    }
    oh += rows;
  }
}

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  for (int r = 0; r < shape.replicas; ++r) {
    forward_one(context, shape, input[r], weight[r], bias ? bias[r] : nullptr, output[r]);
  }
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  for (int r = 0; r < shape.replicas; ++r) {
    backward_input_one(context, shape, weight[r], grad_output[r], grad_input[r]);
  }
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  for (int r = 0; r < shape.replicas; ++r) {
    backward_weight_one(context, shape, input[r], grad_output[r], grad_weight[r]);
  }
}

}  // namespace redoubt::kernels::direct
