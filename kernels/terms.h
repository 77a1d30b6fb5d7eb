// What terms of a training step do to gradients or weights, each replica's by itself: distances
// beside the loss (Bagdasaryan et al. 2020, section 4.3, "constrain and scale"; Mi et al., the
// norm-evading attacker), a mask on the gradient, a projection onto a ball, and clamping of a
// layer's extreme weights (Wu et al. 2020, section VI-C).
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"
#include "kernels/weights.h"

namespace redoubt::kernels {

/// Replicas of `size` floats each. active [R] on the device: replicas under 0 stay as they are;
/// absent: none does.
struct TermRows {
  int replicas = 1;
  std::int64_t size = 0;
  const std::uint8_t* active = nullptr;
};

/// A distance from one row, and its share ρ of the objective (1 - ρ) · loss + ρ · distance. All
/// pointers are [size] on the device.
struct DistanceShare {
  float rho = 0;
  const float* anchor = nullptr;
  const float* direction = nullptr;  ///< of a cosine
  const float* counted = nullptr;  ///< of a cosine: columns under 0 have no part; absent: all have
  bool operator==(const DistanceShare&) const = default;
};

/// gradients[r] = (1 - ρ) · gradients[r] + ρ · ∂/∂w |w - anchor|², the squared distance of the
/// values from one row: ρ · 2 · (values[r] - anchor).
void mix_squared_distance(Context& context, const TermRows& rows, const DistanceShare& distance,
                          Replicas<const float> values, Replicas<float> gradients);

/// The same with the cosine distance 1 - cos(w - anchor, direction), whose derivative is
/// -(d / (|δ| |d|) - cos · δ / |δ|²) for δ = w - anchor and direction d; 0 where δ or d is 0. Sums
/// in double.
void mix_cosine_distance(Context& context, const TermRows& rows, const DistanceShare& distance,
                         Replicas<const float> values, Replicas<float> gradients);

/// gradients[r] *= mask, which is [size] on the device; or weights that are to stay 0.
void mask_gradients(Context& context, const TermRows& rows, const float* mask,
                    Replicas<float> gradients);

/// A ball around a row, onto which each `every`-th step ends.
struct Ball {
  double radius = 0;              ///< L2
  const float* centre = nullptr;  ///< [size] on the device
  const float* counted =
      nullptr;  ///< [size] columns under 0 have no part and stay; absent: all have
  int every = 1;
  bool operator==(const Ball&) const = default;
};

/// values[r] = centre + δ · min(1, radius / |δ|) for δ = values[r] - centre, if this is an every-th
/// step; `step`, on the device, is how many there were before it. Sums in double.
void project_onto_ball(Context& context, const TermRows& rows, const Ball& ball,
                       const std::int32_t* step, Replicas<float> values);

/// Clamps each replica's weights [channels][per_channel] of one layer to μ ± `delta` · σ of its own
/// unmasked channels, without a trip to the host. masks [R][channels], may be absent; rows.size is
/// not looked at.
void clip_to_deviations(Context& context, const TermRows& rows, const WeightShape& shape,
                        double delta, Replicas<const float> masks, Replicas<float> weights);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::mix_squared_distance) mix_squared_distance;
decltype(kernels::mix_cosine_distance) mix_cosine_distance;
decltype(kernels::mask_gradients) mask_gradients;
decltype(kernels::project_onto_ball) project_onto_ball;
decltype(kernels::clip_to_deviations) clip_to_deviations;
}  // namespace cuda

}  // namespace redoubt::kernels
