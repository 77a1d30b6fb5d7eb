#include "kernels/evasion.h"

#include <algorithm>
#include <cmath>

namespace redoubt::kernels {

namespace {

bool resting(const std::uint8_t* active, int replica) {
  return active != nullptr && active[replica] == 0;
}

/// What a cosine needs of δ = w - anchor and d.
struct CosineSums {
  double delta_delta = 0;
  double delta_direction = 0;
  double direction_direction = 0;
};

CosineSums cosine_sums(std::int64_t size, const float* values, const float* anchor,
                       const float* direction, const float* counted) {
  CosineSums sums;
  for (std::int64_t i = 0; i < size; ++i) {
    if (counted != nullptr && counted[i] == 0) continue;
    const double delta = static_cast<double>(values[i]) - static_cast<double>(anchor[i]);
    const auto along = static_cast<double>(direction[i]);
    sums.delta_delta += delta * delta;
    sums.delta_direction += delta * along;
    sums.direction_direction += along * along;
  }
  return sums;
}

}  // namespace

void mix_squared_distance(Context& context, int replicas, std::int64_t size, float rho,
                          const float* anchor, Replicas<const float> values,
                          Replicas<float> gradients, const std::uint8_t* active) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::mix_squared_distance(context, replicas, size, rho, anchor, values, gradients,
                                        active);
    }
  }
  for (int r = 0; r < replicas; ++r) {
    if (resting(active, r)) continue;
    const float* w = values[r];
    float* g = gradients[r];
    for (std::int64_t i = 0; i < size; ++i) {
      g[i] = (1 - rho) * g[i] + 2 * rho * (w[i] - anchor[i]);
    }
  }
}

void mix_cosine_distance(Context& context, int replicas, std::int64_t size, float rho,
                         const float* anchor, const float* direction, const float* counted,
                         Replicas<const float> values, Replicas<float> gradients,
                         const std::uint8_t* active) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::mix_cosine_distance(context, replicas, size, rho, anchor, direction, counted,
                                       values, gradients, active);
    }
  }
  for (int r = 0; r < replicas; ++r) {
    if (resting(active, r)) continue;
    const float* w = values[r];
    float* g = gradients[r];
    const CosineSums sums = cosine_sums(size, w, anchor, direction, counted);
    const double lengths = std::sqrt(sums.delta_delta * sums.direction_direction);
    const double along = lengths > 0 ? static_cast<double>(rho) / lengths : 0;
    const double back =
        lengths > 0 ? static_cast<double>(rho) * sums.delta_direction / (lengths * sums.delta_delta)
                    : 0;
    for (std::int64_t i = 0; i < size; ++i) {
      const double delta = static_cast<double>(w[i]) - static_cast<double>(anchor[i]);
      const bool counts = counted == nullptr || counted[i] != 0;
      const double metric = counts ? back * delta - along * static_cast<double>(direction[i]) : 0;
      g[i] = static_cast<float>(static_cast<double>((1 - rho) * g[i]) + metric);
    }
  }
}

void clip_to_deviations(Context& context, int replicas, const WeightShape& shape, double delta,
                        Replicas<const float> masks, Replicas<float> weights,
                        const std::uint8_t* active) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::clip_to_deviations(context, replicas, shape, delta, masks, weights, active);
    }
  }
  for (int r = 0; r < replicas; ++r) {
    if (resting(active, r)) continue;
    const WeightMoments moments =
        weight_moments(context, shape, weights[r], masks ? masks[r] : nullptr);
    const auto low = static_cast<float>(moments.mean - delta * moments.deviation);
    const auto high = static_cast<float>(moments.mean + delta * moments.deviation);
    float* w = weights[r];
    for (std::int64_t i = 0; i < shape.channels * shape.per_channel; ++i) {
      w[i] = std::clamp(w[i], low, high);
    }
  }
}

}  // namespace redoubt::kernels
