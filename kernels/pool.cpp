#include "kernels/pool.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/multiversion.h"

namespace redoubt::kernels {

namespace {

/// The channel's values where a row of N images starts, and how a window walks over them.
struct Window {
  int size;
  std::int64_t row_stride;  ///< floats between the input's rows
  int batch;
};

/// One output position of N images: the largest of the window's values and its place. NaN wins: a
/// comparison with NaN is false, so `!(value <= best)` takes it, and nothing but NaN replaces it.
REDOUBT_MULTIVERSION
void max_of_window(const Window& w, const float* input, float* output, std::uint8_t* argmax) {
  for (int n = 0; n < w.batch; ++n) {
    output[n] = input[n];
    argmax[n] = 0;
  }
  for (int place = 1; place < w.size * w.size; ++place) {
    const float* values =
        input + place / w.size * w.row_stride + static_cast<std::int64_t>(place % w.size) * w.batch;
    for (int n = 0; n < w.batch; ++n) {
      const bool wins = values[n] > output[n] || (values[n] != values[n] && output[n] == output[n]);
      output[n] = wins ? values[n] : output[n];
      argmax[n] = wins ? static_cast<std::uint8_t>(place) : argmax[n];
    }
  }
}

/// The common case, with nothing but one pass: windows of 2x2, after a ReLU.
REDOUBT_MULTIVERSION
void max_of_four(std::int64_t row_stride, int batch, const float* __restrict input,
                 float* __restrict output, std::uint8_t* __restrict argmax) {
  const float* __restrict below = input + row_stride;
  for (int n = 0; n < batch; ++n) {
    const float a = input[n];
    const float b = input[n + batch];
    const float c = below[n];
    const float d = below[n + batch];
    const int upper_place = b > a ? 1 : 0;
    const float upper = b > a ? b : a;
    const int lower_place = d > c ? 3 : 2;
    const float lower = d > c ? d : c;
    const float best = lower > upper ? lower : upper;
    argmax[n] = static_cast<std::uint8_t>(lower > upper ? lower_place : upper_place);
    const float positive = best < 0 ? 0 : best;
    // What is not a number may have got lost in any of the comparisons.
    const bool numbers = (a == a) & (b == b) & (c == c) & (d == d);
    output[n] = numbers ? positive : a + b + c + d;
  }
}

REDOUBT_MULTIVERSION
void rectify(int batch, float* values) {
  for (int n = 0; n < batch; ++n) values[n] = values[n] < 0 ? 0 : values[n];
}

/// The sum of a channel's ReLU outputs over the first `valid` images, before pooling.
REDOUBT_MULTIVERSION
double rectified_sum(int positions, int batch, int valid, const float* values) {
  double total = 0;
  for (int s = 0; s < positions; ++s) {
    const float* row = values + static_cast<std::int64_t>(s) * batch;
#pragma omp simd reduction(+ : total)
    for (int n = 0; n < valid; ++n) total += static_cast<double>(row[n] < 0 ? 0 : row[n]);
  }
  return total;
}

void forward_channel(const PoolShape& s, const float* input, float* output, std::uint8_t* argmax) {
  const Window window = {s.window, static_cast<std::int64_t>(s.width) * s.batch, s.batch};
  for (int oh = 0; oh < s.out_height(); ++oh) {
    for (int ow = 0; ow < s.out_width(); ++ow) {
      const float* corner = input + (static_cast<std::int64_t>(oh) * s.stride * s.width +
                                     static_cast<std::int64_t>(ow) * s.stride) *
                                        s.batch;
      if (s.window == 2 && s.relu) {
        max_of_four(window.row_stride, s.batch, corner, output, argmax);
      } else {
        max_of_window(window, corner, output, argmax);
        if (s.relu) rectify(s.batch, output);
      }
      output += s.batch;
      argmax += s.batch;
    }
  }
}

/// Each window's gradient to its winner; windows of 2x2 side by side write every input once.
REDOUBT_MULTIVERSION
void spread_to_four(std::int64_t row_stride, int batch, bool relu, const float* __restrict output,
                    const std::uint8_t* __restrict argmax, const float* __restrict grad_output,
                    float* __restrict grad_input) {
  float* __restrict below = grad_input + row_stride;
  for (int n = 0; n < batch; ++n) {
    const float grad = relu && !(output[n] > 0) ? 0 : grad_output[n];
    const int place = argmax[n];
    grad_input[n] = place == 0 ? grad : 0;
    grad_input[n + batch] = place == 1 ? grad : 0;
    below[n] = place == 2 ? grad : 0;
    below[n + batch] = place == 3 ? grad : 0;
  }
}

void backward_channel(const PoolShape& s, const float* output, const std::uint8_t* argmax,
                      const float* grad_output, float* grad_input) {
  const std::int64_t row_stride = static_cast<std::int64_t>(s.width) * s.batch;
  const bool four = s.window == 2 && s.stride == 2;
  const bool covered = four && s.height % 2 == 0 && s.width % 2 == 0;
  if (!covered) std::fill(grad_input, grad_input + s.height * row_stride, 0.0F);
  for (int oh = 0; oh < s.out_height(); ++oh) {
    for (int ow = 0; ow < s.out_width(); ++ow) {
      float* corner = grad_input + (static_cast<std::int64_t>(oh) * s.stride * s.width +
                                    static_cast<std::int64_t>(ow) * s.stride) *
                                       s.batch;
      if (four) {
        spread_to_four(row_stride, s.batch, s.relu, output, argmax, grad_output, corner);
      } else {
        for (int n = 0; n < s.batch; ++n) {
          if (s.relu && !(output[n] > 0)) continue;
          const int row = argmax[n] / s.window;
          const int column = argmax[n] % s.window;
          corner[row * row_stride + static_cast<std::int64_t>(column) * s.batch + n] +=
              grad_output[n];
        }
      }
      output += s.batch;
      argmax += s.batch;
      grad_output += s.batch;
    }
  }
}

void check_shape(const PoolShape& s) {
  check(s.window >= 1, "a pooling window is at least 1");
  check(s.window <= s.height && s.window <= s.width, "a pooling window fits into its input");
}

}  // namespace

void max_pool_forward(Context& context, const PoolShape& shape, Replicas<const float> input,
                      const ChannelEffects& effects, Replicas<float> output,
                      Replicas<std::uint8_t> argmax) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::max_pool_forward(context, shape, input, effects, output, argmax);
  }
  check_shape(shape);
  check(shape.window <= kLargestMaxPoolWindow, "a window of max pooling is at most 15");
  check(shape.relu || (!effects.mask && !effects.record),
        "masks and recording come with the fused ReLU");
  check(!effects.record || effects.valid != nullptr, "recording needs the count of valid images");
  const std::int64_t in_size = shape.input_size() / shape.channels;
  const std::int64_t out_size = shape.output_size() / shape.channels;
  auto* unwanted =
      argmax ? nullptr : context.scratch_of<std::uint8_t>(static_cast<std::size_t>(out_size));
  for (int r = 0; r < shape.replicas; ++r) {
    for (int c = 0; c < shape.channels; ++c) {
      const float* in = input[r] + c * in_size;
      float* out = output[r] + c * out_size;
      std::uint8_t* winners = argmax ? argmax[r] + c * out_size : unwanted;
      if (effects.mask && effects.mask[r][c] == 0) {
        std::fill(out, out + out_size, 0.0F);
        std::fill(winners, winners + out_size, std::uint8_t{0});
        continue;
      }
      forward_channel(shape, in, out, winners);
      if (effects.record) {
        effects.record[r][c] +=
            rectified_sum(shape.height * shape.width, shape.batch, effects.valid[r], in);
      }
    }
  }
}

void max_pool_backward(Context& context, const PoolShape& shape, Replicas<const float> output,
                       Replicas<const std::uint8_t> argmax, Replicas<const float> grad_output,
                       Replicas<float> grad_input) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::max_pool_backward(context, shape, output, argmax, grad_output, grad_input);
  }
  check_shape(shape);
  check(shape.window <= kLargestMaxPoolWindow, "a window of max pooling is at most 15");
  const std::int64_t in_size = shape.input_size() / shape.channels;
  const std::int64_t out_size = shape.output_size() / shape.channels;
  for (int r = 0; r < shape.replicas; ++r) {
    for (int c = 0; c < shape.channels; ++c) {
      backward_channel(shape, output[r] + c * out_size, argmax[r] + c * out_size,
                       grad_output[r] + c * out_size, grad_input[r] + c * in_size);
    }
  }
}

namespace {

REDOUBT_MULTIVERSION
void add_scaled(int batch, float factor, const float* from, float* to) {
  for (int n = 0; n < batch; ++n) to[n] += factor * from[n];
}

/// Calls body(output position, input position) for every pair that a window joins, in one channel.
template <class Body>
void for_window_pairs(const PoolShape& s, const Body& body) {
  for (int oh = 0; oh < s.out_height(); ++oh) {
    for (int ow = 0; ow < s.out_width(); ++ow) {
      for (int row = 0; row < s.window; ++row) {
        for (int column = 0; column < s.window; ++column) {
          body(oh * s.out_width() + ow, (oh * s.stride + row) * s.width + ow * s.stride + column);
        }
      }
    }
  }
}

}  // namespace

void average_pool_forward(Context& context, const PoolShape& shape, Replicas<const float> input,
                          Replicas<float> output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::average_pool_forward(context, shape, input, output);
  }
  check_shape(shape);
  const std::int64_t in_size = shape.input_size() / shape.channels;
  const std::int64_t out_size = shape.output_size() / shape.channels;
  const float share = 1.0F / static_cast<float>(shape.window * shape.window);
  for (int r = 0; r < shape.replicas; ++r) {
    std::fill(output[r], output[r] + shape.output_size(), 0.0F);
    for (int c = 0; c < shape.channels; ++c) {
      const float* in = input[r] + c * in_size;
      float* out = output[r] + c * out_size;
      for_window_pairs(shape, [&](std::int64_t to, std::int64_t from) {
        add_scaled(shape.batch, share, in + from * shape.batch, out + to * shape.batch);
      });
    }
  }
}

void average_pool_backward(Context& context, const PoolShape& shape,
                           Replicas<const float> grad_output, Replicas<float> grad_input) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::average_pool_backward(context, shape, grad_output, grad_input);
  }
  check_shape(shape);
  const std::int64_t in_size = shape.input_size() / shape.channels;
  const std::int64_t out_size = shape.output_size() / shape.channels;
  const float share = 1.0F / static_cast<float>(shape.window * shape.window);
  for (int r = 0; r < shape.replicas; ++r) {
    std::fill(grad_input[r], grad_input[r] + shape.input_size(), 0.0F);
    for (int c = 0; c < shape.channels; ++c) {
      const float* grad_out = grad_output[r] + c * out_size;
      float* grad_in = grad_input[r] + c * in_size;
      for_window_pairs(shape, [&](std::int64_t from, std::int64_t to) {
        add_scaled(shape.batch, share, grad_out + from * shape.batch, grad_in + to * shape.batch);
      });
    }
  }
}

}  // namespace redoubt::kernels
