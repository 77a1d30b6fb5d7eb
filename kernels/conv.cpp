// Convolution as products of matrices that are never built. K runs over the taps (u, v, c) of a
// window, J over output positions and images. For a few columns of J at a time, the inputs that the
// taps read are packed into a panel that stays in the first cache, and register tiles (tiles.h)
// multiply it with packed weights. Taps that fall into the padding are left out, so no product with
// 0 is ever computed.
#include "kernels/conv.h"

#include <algorithm>
#include <cstring>

#include "kernels/check.h"
#include "kernels/tiles.h"

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

/// One column block of a product: the taps it sums over and where its panel and results lie.
struct Block {
  TapRange vertical;
  TapRange horizontal;
  int width = 0;         ///< columns that count, at most the tile's
  float* out = nullptr;  ///< [outer] rows, out_stride apart
};

/// A product of packed weights with panels, block after block.
class TapProduct {
 public:
  TapProduct(Context& context, const Taps& taps, std::int64_t out_stride, const float* start)
      : taps_(taps),
        tiles_(tiles()),
        rows_(taps.outer, tiles_.max_rows),
        out_stride_(out_stride),
        start_(start) {
    const auto weights =
        static_cast<std::size_t>(taps.outer) * static_cast<std::size_t>(taps.count());
    const auto panel =
        static_cast<std::size_t>(taps.count()) * static_cast<std::size_t>(tiles_.width);
    const auto narrow = static_cast<std::size_t>(tiles_.max_rows * tiles_.width);
    const auto runs = static_cast<std::size_t>(taps.kernel_height * taps.kernel_width);
    // Panel, narrow tile and offsets first, so that they keep their alignment.
    auto* memory = context.scratch_of<float>(panel + narrow + 2 * runs + weights);
    panel_ = memory;
    narrow_ = panel_ + panel;
    offsets_ = reinterpret_cast<long long*>(narrow_ + narrow);
    weights_ = narrow_ + narrow + 2 * runs;
  }

  const RowTiles& rows() const { return rows_; }
  float* weights() { return weights_; }
  int width() const { return tiles_.width; }

  /// source(u, v, i) points at the block's columns of inner channel i under that tap.
  template <class Source>
  void run(const Block& block, const Source& source) {
    if (!(block.vertical == vertical_ && block.horizontal == horizontal_)) find_runs(block);
    pack_panel(block, source);
    const bool whole = block.width == tiles_.width;
    const float* packed = weights_;
    for (int t = 0; t < rows_.tiles; ++t) {
      const int height = rows_.height(t);
      const int first = rows_.first(t);
      // Offsets count steps; each step of this tile has `height` weights.
      for (int run = 0; run < runs_; ++run) offsets_[run] = run_starts(run) * height;
      tiles_.product[height - 1]({.a = packed,
                                  .b = panel_,
                                  .start = start_ == nullptr ? nullptr : start_ + first,
                                  .run_offsets = offsets_,
                                  .runs = runs_,
                                  .run_length = run_length_,
                                  .out = whole ? block.out + first * out_stride_ : narrow_,
                                  .out_stride = whole ? out_stride_ : tiles_.width});
      if (!whole) copy_narrow(block, first, height);
      packed += static_cast<std::int64_t>(height) * taps_.count();
    }
  }

 private:
  /// Taps that lie side by side in the packed weights make one run.
  void find_runs(const Block& block) {
    vertical_ = block.vertical;
    horizontal_ = block.horizontal;
    const bool joined = horizontal_.step == 1;
    const bool whole_rows =
        joined && vertical_.step == 1 && horizontal_.count() == taps_.kernel_width;
    if (vertical_.count() == 0 || horizontal_.count() == 0) {
      runs_ = 0;
      run_length_ = 0;
    } else if (whole_rows) {
      runs_ = 1;
      run_length_ = vertical_.count() * taps_.kernel_width * taps_.inner;
    } else if (joined) {
      runs_ = vertical_.count();
      run_length_ = horizontal_.count() * taps_.inner;
    } else {
      runs_ = vertical_.count() * horizontal_.count();
      run_length_ = taps_.inner;
    }
  }

  /// The first step of a run, counted in the packed weights' order (u, v, inner).
  long long run_starts(int run) const {
    const bool joined = horizontal_.step == 1;
    const int across = joined ? 1 : horizontal_.count();
    const int u = vertical_.first + run / across * vertical_.step;
    const int v = horizontal_.first + run % across * horizontal_.step;
    return (static_cast<long long>(u) * taps_.kernel_width + v) * taps_.inner;
  }

  template <class Source>
  void pack_panel(const Block& block, const Source& source) {
    const auto bytes = static_cast<std::size_t>(block.width) * sizeof(float);
    const int width = tiles_.width;
    float* to = panel_;
    for (int u = block.vertical.first; u <= block.vertical.last; u += block.vertical.step) {
      for (int v = block.horizontal.first; v <= block.horizontal.last; v += block.horizontal.step) {
        const float* from = source(u, v, 0);
        const std::int64_t stride = taps_.inner > 1 ? source(u, v, 1) - from : 0;
        if (block.width == width) {
          copy_rows(taps_.inner, width, from, stride, to);
        } else {
          for (int i = 0; i < taps_.inner; ++i) {
            std::memcpy(to + i * width, from + i * stride, bytes);
            std::fill(to + i * width + block.width, to + (i + 1) * width, 0.0F);
          }
        }
        to += static_cast<std::int64_t>(taps_.inner) * width;
      }
    }
  }

  static void copy_rows(int rows, int width, const float* from, std::int64_t stride, float* to) {
    // A constant size lets the compiler copy with vectors, not with a call.
    if (width == 16) {
      for (int i = 0; i < rows; ++i) std::memcpy(to + i * 16, from + i * stride, 64);
    } else if (width == 32) {
      for (int i = 0; i < rows; ++i) std::memcpy(to + i * 32, from + i * stride, 128);
    } else {
      for (int i = 0; i < rows; ++i) std::memcpy(to + i * 8, from + i * stride, 32);
    }
  }

  void copy_narrow(const Block& block, int first, int height) const {
    for (int m = 0; m < height; ++m) {
      std::memcpy(block.out + (first + m) * out_stride_, narrow_ + m * tiles_.width,
                  static_cast<std::size_t>(block.width) * sizeof(float));
    }
  }

  Taps taps_;
  const Tiles& tiles_;
  RowTiles rows_;
  std::int64_t out_stride_;
  const float* start_;
  float* panel_ = nullptr;
  float* narrow_ = nullptr;
  long long* offsets_ = nullptr;
  float* weights_ = nullptr;
  TapRange vertical_ = {.first = -1};
  TapRange horizontal_ = {.first = -1};
  int runs_ = 0;
  int run_length_ = 0;
};

void forward_one(Context& context, const ConvShape& s, const float* input, const float* weight,
                 const float* bias, float* output) {
  const Taps taps = {s.out_channels, s.in_channels, s.kernel_height, s.kernel_width};
  const std::int64_t channel = std::int64_t{s.height} * s.width * s.batch;
  const std::int64_t out_channel = std::int64_t{s.out_height()} * s.out_width() * s.batch;
  TapProduct product(context, taps, out_channel, bias);
  const int area = s.kernel_height * s.kernel_width;
  pack_weights(
      taps, product.rows(),
      [&](int o, int c, int tap) {
        return weight[(static_cast<std::int64_t>(o) * s.in_channels + c) * area + tap];
      },
      product.weights());

  // Without padding and stride a whole output row reads consecutive inputs: its columns (ow, n) are
  // cut without regard to positions. Otherwise each position has its own taps.
  const bool rows_at_once = s.stride == 1 && s.padding == 0;
  const int row_columns = rows_at_once ? s.out_width() * s.batch : s.batch;
  for (int oh = 0; oh < s.out_height(); ++oh) {
    const TapRange vertical = forward_taps(oh, s.kernel_height, s.stride, s.padding, s.height);
    const int top = oh * s.stride - s.padding;
    for (int ow = 0; ow < (rows_at_once ? 1 : s.out_width()); ++ow) {
      const TapRange horizontal = forward_taps(ow, s.kernel_width, s.stride, s.padding, s.width);
      const int left = ow * s.stride - s.padding;
      float* out = output + (std::int64_t{oh} * s.out_width() + ow) * s.batch;
      for (int j = 0; j < row_columns; j += product.width()) {
        product.run({.vertical = vertical,
                     .horizontal = horizontal,
                     .width = std::min(product.width(), row_columns - j),
                     .out = out + j},
                    [&](int u, int v, int c) {
                      return input + c * channel +
                             (std::int64_t{top + u} * s.width + left + v) * s.batch + j;
                    });
      }
    }
  }
}

void backward_input_one(Context& context, const ConvShape& s, const float* weight,
                        const float* grad_output, float* grad_input) {
  const Taps taps = {s.in_channels, s.out_channels, s.kernel_height, s.kernel_width};
  const std::int64_t channel = std::int64_t{s.height} * s.width * s.batch;
  const std::int64_t out_channel = std::int64_t{s.out_height()} * s.out_width() * s.batch;
  TapProduct product(context, taps, channel, nullptr);
  const int area = s.kernel_height * s.kernel_width;
  pack_weights(
      taps, product.rows(),
      [&](int c, int o, int tap) {
        return weight[(static_cast<std::int64_t>(o) * s.in_channels + c) * area + tap];
      },
      product.weights());

  for (int h = 0; h < s.height; ++h) {
    const TapRange vertical =
        backward_taps(h, s.kernel_height, s.stride, s.padding, s.out_height());
    for (int w = 0; w < s.width; ++w) {
      const TapRange horizontal =
          backward_taps(w, s.kernel_width, s.stride, s.padding, s.out_width());
      float* out = grad_input + (std::int64_t{h} * s.width + w) * s.batch;
      for (int n = 0; n < s.batch; n += product.width()) {
        product.run({.vertical = vertical,
                     .horizontal = horizontal,
                     .width = std::min(product.width(), s.batch - n),
                     .out = out + n},
                    [&](int u, int v, int o) {
                      const int oh = (h + s.padding - u) / s.stride;
                      const int ow = (w + s.padding - v) / s.stride;
                      return grad_output + o * out_channel +
                             (std::int64_t{oh} * s.out_width() + ow) * s.batch + n;
                    });
      }
    }
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

void backward_weight_one(Context& context, const ConvShape& shape, const float* input,
                         const float* grad_output, float* grad_weight) {
  ConvShape s = shape;
  if (s.padding > 0) {
    input = padded_input(context, s, input);
    s.height += 2 * s.padding;
    s.width += 2 * s.padding;
    s.padding = 0;
  }
  const Tiles& tile = tiles();
  const std::int64_t channel = std::int64_t{s.height} * s.width * s.batch;
  const std::int64_t out_row = std::int64_t{s.out_width()} * s.batch;
  const std::int64_t out_channel = s.out_height() * out_row;
  const int area = s.kernel_height * s.kernel_width;
  const int columns = s.in_channels * area;
  const RowTiles rows(s.out_channels, tile.dot_rows);
  const RowTiles column_tiles(columns, tile.dot_columns);
  std::fill(grad_weight, grad_weight + shape.weight_size(), 0.0F);

  // One output row at a time, so that what a row of tiles reads again is still in cache.
  for (int oh = 0; oh < s.out_height(); ++oh) {
    for (int ct = 0; ct < column_tiles.tiles; ++ct) {
      const int first_column = column_tiles.first(ct);
      const float* b[8];
      for (int k = 0; k < column_tiles.height(ct); ++k) {
        const int column = first_column + k;
        const int c = column / area;
        const int u = column % area / s.kernel_width;
        const int v = column % s.kernel_width;
        b[k] = input + c * channel + (std::int64_t{oh * s.stride + u} * s.width + v) * s.batch;
      }
      for (int rt = 0; rt < rows.tiles; ++rt) {
        const int o = rows.first(rt);
        const int index = (rows.height(rt) - 1) * tile.dot_columns + column_tiles.height(ct) - 1;
        const bool joined = s.stride == 1;
        tile.dot[index]({.a = grad_output + o * out_channel + oh * out_row,
                         .a_stride = out_channel,
                         .a_step = s.batch,
                         .b = b,
                         .b_step = std::int64_t{s.stride} * s.batch,
                         .segments = joined ? 1 : s.out_width(),
                         .length = static_cast<int>(joined ? out_row : s.batch),
                         .sums = grad_weight + std::int64_t{o} * columns + first_column,
                         .sums_stride = columns});
      }
    }
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
  check_shape(shape);
  for (int r = 0; r < shape.replicas; ++r) {
    forward_one(context, shape, input[r], weight[r], bias ? bias[r] : nullptr, output[r]);
  }
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  check_shape(shape);
  for (int r = 0; r < shape.replicas; ++r) {
    backward_input_one(context, shape, weight[r], grad_output[r], grad_input[r]);
  }
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  check_shape(shape);
  for (int r = 0; r < shape.replicas; ++r) {
    backward_weight_one(context, shape, input[r], grad_output[r], grad_weight[r]);
  }
}

}  // namespace redoubt::kernels
