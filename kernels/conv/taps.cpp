#include "kernels/conv/taps.h"

#include <cstring>

namespace redoubt::kernels {

namespace {

/// Channels this far apart (64 KiB and its multiples) share few places of the second cache and push
/// each other out before the next tile of rows reads them again: then a packed panel pays.
constexpr std::int64_t kCrowdingStride = 16384;

}  // namespace

TapRange forward_taps(int output, int kernel, int stride, int padding, int size) {
  const int start = output * stride - padding;
  return {.first = std::max(0, -start), .last = std::min(kernel, size - start) - 1};
}

TapRange backward_taps(int input, int kernel, int stride, int padding, int outputs) {
  const int reach = input + padding;
  // t ≡ reach (mod stride), and 0 <= (reach - t) / stride < outputs.
  int first = std::max(0, reach - (outputs - 1) * stride);
  first += (reach - first) % stride;
  return {.first = first, .last = std::min(kernel - 1, reach), .step = stride};
}

TapProduct::TapProduct(Context& context, const Taps& taps, const TapWeights& weights,
                       const SourceSteps& steps, std::int64_t out_stride, const float* start)
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
  const auto outer = static_cast<std::size_t>(taps.outer);
  panel_ = context.scratch_of<float>((count + rows) * width + outer * count + 4 * count + 2 * area);
  panel_out_ = panel_ + count * width;
  offsets_ = reinterpret_cast<long long*>(panel_out_ + rows * width);
  panel_offsets_ = offsets_ + count;
  run_offsets_ = panel_offsets_ + count;
  weights_ = reinterpret_cast<float*>(run_offsets_ + area);
  for (std::size_t i = 0; i < count; ++i) {
    panel_offsets_[i] = static_cast<long long>(i) * tiles_.width;
  }
  pack_weights(weights);
}

void TapProduct::pack_weights(const TapWeights& weights) {
  float* packed = weights_;
  for (int tile = 0; tile < rows_.tiles; ++tile) {
    for (int tap = 0; tap < taps_.kernel_height * taps_.kernel_width; ++tap) {
      for (int i = 0; i < taps_.inner; ++i) {
        const float* from = weights.data + rows_.first(tile) * weights.outer_stride +
                            i * weights.inner_stride + tap;
        for (int m = 0; m < rows_.height(tile); ++m) *packed++ = from[m * weights.outer_stride];
      }
    }
  }
}

void TapProduct::run(const Group& group) {
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

/// Taps that lie side by side in the packed weights make one run.
void TapProduct::set_taps(const Group& group) {
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
long long TapProduct::run_start(int run) const {
  const int across = horizontal_.step == 1 ? 1 : horizontal_.count();
  const int u = vertical_.first + run / across * vertical_.step;
  const int v = horizontal_.first + run % across * horizontal_.step;
  return (static_cast<long long>(u) * taps_.kernel_width + v) * taps_.inner;
}

/// Too few columns for a tile: packs them into a panel, with zeros beside them.
void TapProduct::run_narrow(const Group& group) {
  const bool half = group.columns <= tiles_.width / 2;
  pack(group.source, group.columns, half ? tiles_.width / 2 : tiles_.width);
  multiply(half ? tiles_.narrow_product : tiles_.product, panel_, panel_offsets_, panel_out_,
           tiles_.width, &group);
}

void TapProduct::pack(const float* source, int columns, int width) {
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
void TapProduct::multiply(void (*const* product)(const ProductTile&), const float* b,
                          const long long* b_offsets, float* out, std::int64_t out_stride,
                          const Group* narrow) {
  const float* packed = weights_;
  for (int t = 0; t < rows_.tiles; ++t) {
    const int height = rows_.height(t);
    const int first = rows_.first(t);
    // Runs are counted in steps; each step of this tile has `height` weights.
    for (int run = 0; run < run_count_; ++run) run_offsets_[run] = run_start(run) * height;
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

void TapProduct::copy_panel_out(const Group& group, int first, int height) const {
  for (int m = 0; m < height; ++m) {
    std::copy_n(panel_out_ + m * tiles_.width, group.columns,
                group.out + (first + m) * out_stride_);
  }
}

}  // namespace redoubt::kernels
