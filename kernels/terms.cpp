#include "kernels/terms.h"

#include <algorithm>
#include <cmath>

namespace redoubt::kernels {

namespace {

bool resting(const TermRows& rows, int replica) {
  return rows.active != nullptr && rows.active[replica] == 0;
}

/// What a cosine needs of δ = w - anchor and d.
struct CosineSums {
  double delta_delta = 0;
  double delta_direction = 0;
  double direction_direction = 0;
};

CosineSums cosine_sums(std::int64_t size, const float* values, const DistanceShare& distance) {
  CosineSums sums;
  for (std::int64_t i = 0; i < size; ++i) {
    if (distance.counted != nullptr && distance.counted[i] == 0) continue;
    const double delta = static_cast<double>(values[i]) - static_cast<double>(distance.anchor[i]);
    const auto along = static_cast<double>(distance.direction[i]);
    sums.delta_delta += delta * delta;
    sums.delta_direction += delta * along;
    sums.direction_direction += along * along;
  }
  return sums;
}

}  // namespace

void mix_squared_distance(Context& context, const TermRows& rows, const DistanceShare& distance,
                          Replicas<const float> values, Replicas<float> gradients) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::mix_squared_distance(context, rows, distance, values, gradients);
    }
  }
  const float rho = distance.rho;
  for (int r = 0; r < rows.replicas; ++r) {
    if (resting(rows, r)) continue;
    const float* w = values[r];
    float* g = gradients[r];
    for (std::int64_t i = 0; i < rows.size; ++i) {
      g[i] = (1 - rho) * g[i] + 2 * rho * (w[i] - distance.anchor[i]);
    }
  }
}

void mix_cosine_distance(Context& context, const TermRows& rows, const DistanceShare& distance,
                         Replicas<const float> values, Replicas<float> gradients) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::mix_cosine_distance(context, rows, distance, values, gradients);
    }
  }
  const auto& [rho, anchor, direction, counted] = distance;
  for (int r = 0; r < rows.replicas; ++r) {
    if (resting(rows, r)) continue;
    const float* w = values[r];
    float* g = gradients[r];
    const CosineSums sums = cosine_sums(rows.size, w, distance);
    const double lengths = std::sqrt(sums.delta_delta * sums.direction_direction);
    const double along = lengths > 0 ? static_cast<double>(rho) / lengths : 0;
    const double back =
        lengths > 0 ? static_cast<double>(rho) * sums.delta_direction / (lengths * sums.delta_delta)
                    : 0;
    for (std::int64_t i = 0; i < rows.size; ++i) {
      const double delta = static_cast<double>(w[i]) - static_cast<double>(anchor[i]);
      const bool counts = counted == nullptr || counted[i] != 0;
      const double metric = counts ? back * delta - along * static_cast<double>(direction[i]) : 0;
      g[i] = static_cast<float>(static_cast<double>((1 - rho) * g[i]) + metric);
    }
  }
}

void mask_gradients(Context& context, const TermRows& rows, const float* mask,
                    Replicas<float> gradients) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::mask_gradients(context, rows, mask, gradients);
  }
  for (int r = 0; r < rows.replicas; ++r) {
    if (resting(rows, r)) continue;
    float* g = gradients[r];
    for (std::int64_t i = 0; i < rows.size; ++i) g[i] *= mask[i];
  }
}

void project_onto_ball(Context& context, const TermRows& rows, const Ball& ball,
                       const std::int32_t* step, Replicas<float> values) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::project_onto_ball(context, rows, ball, step, values);
  }
  if ((*step + 1) % ball.every != 0) return;
  for (int r = 0; r < rows.replicas; ++r) {
    if (resting(rows, r)) continue;
    float* w = values[r];
    const auto counts = [&](std::int64_t i) {
      return ball.counted == nullptr || ball.counted[i] != 0;
    };
    double squared = 0;
    for (std::int64_t i = 0; i < rows.size; ++i) {
      if (!counts(i)) continue;
      const double delta = static_cast<double>(w[i]) - static_cast<double>(ball.centre[i]);
      squared += delta * delta;
    }
    const double length = std::sqrt(squared);
    if (!(length > ball.radius)) continue;
    const double factor = ball.radius / length;
    for (std::int64_t i = 0; i < rows.size; ++i) {
      if (!counts(i)) continue;
      const auto centre = static_cast<double>(ball.centre[i]);
      w[i] = static_cast<float>(centre + factor * (static_cast<double>(w[i]) - centre));
    }
  }
}

void clip_to_deviations(Context& context, const TermRows& rows, const WeightShape& shape,
                        double delta, Replicas<const float> masks, Replicas<float> weights) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::clip_to_deviations(context, rows, shape, delta, masks, weights);
    }
  }
  for (int r = 0; r < rows.replicas; ++r) {
    if (resting(rows, r)) continue;
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
