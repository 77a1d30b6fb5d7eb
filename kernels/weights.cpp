#include "kernels/weights.h"

#include <cmath>

namespace redoubt::kernels {

namespace {

bool masked(const float* mask, int channel) { return mask != nullptr && mask[channel] == 0; }

}  // namespace

WeightMoments weight_moments(Context& context, const WeightShape& shape, const float* weights,
                             const float* mask) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::weight_moments(context, shape, weights, mask);
  }
  WeightMoments moments;
  double sum = 0;
  for (int c = 0; c < shape.channels; ++c) {
    if (masked(mask, c)) continue;
    const float* channel = weights + c * shape.per_channel;
    for (std::int64_t i = 0; i < shape.per_channel; ++i) sum += static_cast<double>(channel[i]);
    moments.count += shape.per_channel;
  }
  if (moments.count == 0) return moments;
  moments.mean = sum / static_cast<double>(moments.count);
  double squares = 0;
  for (int c = 0; c < shape.channels; ++c) {
    if (masked(mask, c)) continue;
    const float* channel = weights + c * shape.per_channel;
    for (std::int64_t i = 0; i < shape.per_channel; ++i) {
      const double distance = static_cast<double>(channel[i]) - moments.mean;
      squares += distance * distance;
    }
  }
  moments.deviation = std::sqrt(squares / static_cast<double>(moments.count));
  return moments;
}

std::int64_t zero_weights_outside(Context& context, const WeightShape& shape, double low,
                                  double high, const float* mask, float* weights) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::zero_weights_outside(context, shape, low, high, mask, weights);
  }
  std::int64_t zeroed = 0;
  for (int c = 0; c < shape.channels; ++c) {
    if (masked(mask, c)) continue;
    float* channel = weights + c * shape.per_channel;
    for (std::int64_t i = 0; i < shape.per_channel; ++i) {
      const auto weight = static_cast<double>(channel[i]);
      if (weight >= low && weight <= high) continue;
      channel[i] = 0;
      ++zeroed;
    }
  }
  return zeroed;
}

}  // namespace redoubt::kernels
