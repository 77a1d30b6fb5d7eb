// Convolution as products of matrices that are never built. K runs over the taps (u, v, c) of a
// window, J over output positions and images. For a few columns of J at a time, the inputs that the
// taps read are packed into a panel that stays in the first cache, and register tiles (tiles.h)
// multiply it with packed weights. Taps that fall into the padding are left out, so no product with
// 0 is ever computed.
#include "kernels/conv.h"

#include <algorithm>
#include <cstring>

#include "kernels/check.h"
#include "kernels/tiles_choice.h"

namespace redoubt::kernels {

namespace {

/// Rows of a product cut into tiles of nearly equal height, each at most the instruction set's.
struct RowTiles {
  int rows;
  int tiles;
  RowTiles(int row_count, int max_rows)
      : rows(row_count), tiles((row_count + max_rows - 1) / max_rows) {}
  int first(int tile) const { return tile * (rows / tiles) + std::min(tile, rows % tiles); }
  int height(int tile) const { return rows / tiles + (tile < rows % tiles ? 1 : 0); }
};

/// The taps of one window along one axis that read inside the input: every `step`-th from first to
/// last.
struct TapRange {
  int first = 0;
  int last = -1;
  int step = 1;
  int count() const { return last < first ? 0 : (last - first) / step + 1; }
  bool operator==(const TapRange&) const = default;
};

/// Forward: output position o reads input position o · stride + tap - padding.
TapRange forward_taps(int output, int kernel, int stride, int padding, int size) {
  const int start = output * stride - padding;
  return {.first = std::max(0, -start), .last = std::min(kernel, size - start) - 1};
}

/// Backward: input position i was read by tap t of output position (i + padding - t) / stride.
TapRange backward_taps(int input, int kernel, int stride, int padding, int outputs) {
  const int reach = input + padding;
  // t ≡ reach (mod stride), and 0 <= (reach - t) / stride < outputs.
  int first = std::max(0, reach - (outputs - 1) * stride);
  first += (reach - first) % stride;
  return {.first = first, .last = std::min(kernel - 1, reach), .step = stride};
}

/// What one of the two products with weights needs to know. `inner` channels are summed over
/// (inputs forward, outputs backward), `outer` channels come out.
struct Taps {
  int outer;
  int inner;
  int kernel_height;
  int kernel_width;
  int count() const { return kernel_height * kernel_width * inner; }
};

/// packed[tile][u][v][inner][row of the tile]; weight(outer, inner, tap) reads the original.
template <class Weight>
void pack_weights(const Taps& taps, const RowTiles& rows, const Weight& weight, float* packed) {
  const int area = taps.kernel_height * taps.kernel_width;
  for (int tile = 0; tile < rows.tiles; ++tile) {
    const int first = rows.first(tile);
    const int height = rows.height(tile);
    for (int tap = 0; tap < area; ++tap) {
      for (int i = 0; i < taps.inner; ++i) {
        for (int m = 0; m < height; ++m) *packed++ = weight(first + m, i, tap);
      }
    }
  }
}

/// Columns of a product that sum over the same taps and lie side by side in both matrices.
struct Group {
  TapRange vertical;
  TapRange horizontal;
  const float* source;  ///< what the first tap of the first column reads of inner channel 0
  int columns;
  float* out;  ///< [outer] rows, out_stride apart
};

/// Where the operand that taps read lies: floats between inner channels, and from one tap of a
/// range to the next, downward and to the right.
struct SourceSteps {
  std::int64_t channel;
  std::int64_t down;
  std::int64_t right;
};

/// A product of packed weights with what taps read, group after group.
class TapProduct {
 public:
  TapProduct(Context& context, const Taps& taps, const SourceSteps& steps, std::int64_t out_stride,
             const float* start)
      : taps_(taps),
        steps_(steps),
        tiles_(tiles()),
        rows_(taps.outer, tiles_.max_rows),
        out_stride_(out_stride),
        start_(start),
        crowded_(taps.inner > 1 && steps.channel % kCrowdingStride == 0) {
    const auto count = static_cast<std::size_t>(taps.count());
    const auto width = static_cast<std::size_t>(tiles_.width);
    const auto area = static_cast<std::size_t>(taps.kernel_height * taps.kernel_width);
    const auto rows = static_cast<std::size_t>(tiles_.max_rows);
    const auto weights = static_cast<std::size_t>(taps.outer) * count;
    panel_ = context.scratch_of<float>((count + rows) * width + weights + 4 * count + 2 * area);
    panel_out_ = panel_ + count * width;
    offsets_ = reinterpret_cast<long long*>(panel_out_ + rows * width);
    panel_offsets_ = offsets_ + count;
    run_offsets_ = panel_offsets_ + count;
    weights_ = reinterpret_cast<float*>(run_offsets_ + area);
    for (std::size_t i = 0; i < count; ++i) {
      panel_offsets_[i] = static_cast<long long>(i) * tiles_.width;
    }
  }

  const RowTiles& rows() const { return rows_; }
  float* weights() { return weights_; }

  void run(const Group& group) {
    if (!(group.vertical == vertical_ && group.horizontal == horizontal_)) set_taps(group);
    if (group.columns < tiles_.width) return run_narrow(group);
    for (int j = 0; j < group.columns; j += tiles_.width) {
      // The last block moves back to be whole; what it computes again comes out the same.
      const int first = std::min(j, group.columns - tiles_.width);
      const float* b = group.source + first;
      if (crowded_) pack(b, tiles_.width, tiles_.width);
      multiply(tiles_.product, crowded_ ? panel_ : b, crowded_ ? panel_offsets_ : offsets_,
               group.out + first, out_stride_);
    }
  }

 private:
  /// Channels this far apart (64 KiB and its multiples) share few places of the second cache and
  /// push each other out before the next tile of rows reads them again: then a packed panel pays.
  static constexpr std::int64_t kCrowdingStride = 16384;

  /// Too few columns for a tile: packs them into a panel, with zeros beside them.
  void run_narrow(const Group& group) {
    const bool half = group.columns <= tiles_.width / 2;
    pack(group.source, group.columns, half ? tiles_.width / 2 : tiles_.width);
    multiply(half ? tiles_.narrow_product : tiles_.product, panel_, panel_offsets_, panel_out_,
             tiles_.width, &group);
  }

  void pack(const float* source, int columns, int width) {
    for (int step = 0; step < run_count_ * run_length_; ++step) {
      const float* from = source + offsets_[step];
      float* to = panel_ + panel_offsets_[step];
      if (columns == 32) {  // A constant size lets the compiler copy with vectors.
        std::memcpy(to, from, 128);
      } else {
        std::memcpy(to, from, static_cast<std::size_t>(columns) * sizeof(float));
        std::fill(to + columns, to + width, 0.0F);
      }
    }
  }

  /// Multiplies all row tiles of the weights with one tile's columns of b.
  void multiply(void (*const* product)(const ProductTile&), const float* b,
                const long long* b_offsets, float* out, std::int64_t out_stride,
                const Group* narrow = nullptr) {
    const float* packed = weights_;
    for (int t = 0; t < rows_.tiles; ++t) {
      const int height = rows_.height(t);
      const int first = rows_.first(t);
      // Runs are counted in steps; each step of this tile has `height` weights.
      for (int run = 0; run < run_count_; ++run) run_offsets_[run] = run_starts(run) * height;
      product[height - 1]({.a = packed,
                           .b = b,
                           .b_offsets = b_offsets,
                           .start = start_ == nullptr ? nullptr : start_ + first,
                           .run_offsets = run_offsets_,
                           .runs = run_count_,
                           .run_length = run_length_,
                           .out = narrow != nullptr ? out : out + first * out_stride,
                           .out_stride = out_stride});
      if (narrow != nullptr) copy_panel_out(*narrow, first, height);
      packed += static_cast<std::int64_t>(height) * taps_.count();
    }
  }

  void copy_panel_out(const Group& group, int first, int height) const {
    for (int m = 0; m < height; ++m) {
      std::copy_n(panel_out_ + m * tiles_.width, group.columns,
                  group.out + (first + m) * out_stride_);
    }
  }

  /// Taps that lie side by side in the packed weights make one run.
  void set_taps(const Group& group) {
    vertical_ = group.vertical;
    horizontal_ = group.horizontal;
    const int down = vertical_.count();
    const int right = horizontal_.count();
    const bool joined = horizontal_.step == 1;
    if (down == 0 || right == 0) {
      run_count_ = 0;
      run_length_ = 0;
    } else if (joined && vertical_.step == 1 && right == taps_.kernel_width) {
      run_count_ = 1;
      run_length_ = down * right * taps_.inner;
    } else {
      run_count_ = joined ? down : down * right;
      run_length_ = joined ? right * taps_.inner : taps_.inner;
    }
    long long* offset = offsets_;
    for (int u = 0; u < down; ++u) {
      for (int v = 0; v < right; ++v) {
        for (int i = 0; i < taps_.inner; ++i) {
          *offset++ = u * steps_.down + v * steps_.right + i * steps_.channel;
        }
      }
    }
  }

  /// The first step of a run, counted in the packed weights' order (u, v, inner).
  long long run_starts(int run) const {
    const int across = horizontal_.step == 1 ? 1 : horizontal_.count();
    const int u = vertical_.first + run / across * vertical_.step;
    const int v = horizontal_.first + run % across * horizontal_.step;
    return (static_cast<long long>(u) * taps_.kernel_width + v) * taps_.inner;
  }

  Taps taps_;
  SourceSteps steps_;
  const Tiles& tiles_;
  RowTiles rows_;
  std::int64_t out_stride_;
  const float* start_;
  bool crowded_;
  float* panel_ = nullptr;      ///< [steps][width]
  float* panel_out_ = nullptr;  ///< [max_rows][width]
  long long* offsets_ = nullptr;
  long long* panel_offsets_ = nullptr;
  long long* run_offsets_ = nullptr;
  float* weights_ = nullptr;
  TapRange vertical_ = {.first = -1};
  TapRange horizontal_ = {.first = -1};
  int run_count_ = 0;
  int run_length_ = 0;
};

/// Calls body(first position, count, taps) for every stretch of positions along an axis whose taps
/// are the same; of single positions unless they may be `joined`.
template <class TapsOf, class Body>
void for_stretches(int positions, bool joined, const TapsOf& taps_of, const Body& body) {
  int first = 0;
  while (first < positions) {
    const TapRange taps = taps_of(first);
    int end = first + 1;
    while (joined && end < positions && taps_of(end) == taps) ++end;
    body(first, end - first, taps);
    first = end;
  }
}

void forward_one(Context& context, const ConvShape& s, const float* input, const float* weight,
                 const float* bias, float* output) {
  const Taps taps = {s.out_channels, s.in_channels, s.kernel_height, s.kernel_width};
  const std::int64_t row = std::int64_t{s.width} * s.batch;
  const std::int64_t out_channel = std::int64_t{s.out_height()} * s.out_width() * s.batch;
  TapProduct product(context, taps, {s.height * row, row, s.batch}, out_channel, bias);
  const int area = s.kernel_height * s.kernel_width;
  pack_weights(
      taps, product.rows(),
      [&](int o, int c, int tap) {
        return weight[(static_cast<std::int64_t>(o) * s.in_channels + c) * area + tap];
      },
      product.weights());

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
  TapProduct product(context, taps, {s.out_height() * out_row, -out_row, -s.batch}, channel,
                     nullptr);
  const int area = s.kernel_height * s.kernel_width;
  pack_weights(
      taps, product.rows(),
      [&](int c, int o, int tap) {
        return weight[(static_cast<std::int64_t>(o) * s.in_channels + c) * area + tap];
      },
      product.weights());

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

void check_shape(const ConvShape& s) {
  check(s.kernel_height <= s.height + 2 * s.padding && s.kernel_width <= s.width + 2 * s.padding,
        "a convolution's kernel fits into its padded input");
}

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::conv_forward(context, shape, input, weight, bias, output);
  }
  check_shape(shape);
  for (int r = 0; r < shape.replicas; ++r) {
    forward_one(context, shape, input[r], weight[r], bias ? bias[r] : nullptr, output[r]);
  }
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::conv_backward_input(context, shape, weight, grad_output, grad_input);
  }
  check_shape(shape);
  for (int r = 0; r < shape.replicas; ++r) {
    backward_input_one(context, shape, weight[r], grad_output[r], grad_input[r]);
  }
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::conv_backward_weight(context, shape, input, grad_output, grad_weight);
  }
  check_shape(shape);
  for (int r = 0; r < shape.replicas; ++r) {
    backward_weight_one(context, shape, input[r], grad_output[r], grad_weight[r]);
  }
}

}  // namespace redoubt::kernels
