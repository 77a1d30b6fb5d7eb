// What malicious clients add to a training step so that their update looks harmless: a second
// objective (Bagdasaryan et al. 2020, section 4.3, "constrain and scale"; Mi et al., the
// norm-evading attacker), and clipping of their own extreme weights (Wu et al. 2020, section VI-C).
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"
#include "kernels/weights.h"

namespace redoubt::kernels {

/// gradients[r] = (1 - ρ) · gradients[r] + ρ · ∂/∂w |w - anchor|², the squared distance of the
/// values from one row: ρ · 2 · (values[r] - anchor). `size` floats of each replica. active [R]:
/// replicas under 0 stay as they are; absent: none does.
void mix_squared_distance(Context& context, int replicas, std::int64_t size, float rho,
                          const float* anchor, Replicas<const float> values,
                          Replicas<float> gradients, const std::uint8_t* active = nullptr);

/// The same with the cosine distance 1 - cos(w - anchor, direction), whose derivative is
/// -(d / (|δ| |d|) - cos · δ / |δ|²) for δ = w - anchor and direction d; 0 where δ or d is 0. Sums
/// in double. Columns whose `counted` [size] is 0 have no part in it; absent: all have.
void mix_cosine_distance(Context& context, int replicas, std::int64_t size, float rho,
                         const float* anchor, const float* direction, const float* counted,
                         Replicas<const float> values, Replicas<float> gradients,
                         const std::uint8_t* active = nullptr);

/// Clamps each replica's weights [channels][per_channel] of one layer to μ ± `delta` · σ of its own
/// unmasked channels, without a trip to the host. masks [R][channels], may be absent; active as
/// above.
void clip_to_deviations(Context& context, int replicas, const WeightShape& shape, double delta,
                        Replicas<const float> masks, Replicas<float> weights,
                        const std::uint8_t* active = nullptr);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::mix_squared_distance) mix_squared_distance;
decltype(kernels::mix_cosine_distance) mix_cosine_distance;
decltype(kernels::clip_to_deviations) clip_to_deviations;
}  // namespace cuda

}  // namespace redoubt::kernels
