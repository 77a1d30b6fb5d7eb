#include "kernels/update.h"

#include <cmath>

#include "base/check.h"
#include "kernels/multiversion.h"

namespace redoubt::kernels {

namespace {

REDOUBT_MULTIVERSION
void sgd_plain(std::int64_t size, SgdSettings s, const float* gradient, float* parameter) {
  for (std::int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] + s.weight_decay * parameter[i];
    parameter[i] -= s.learning_rate * g;
  }
}

REDOUBT_MULTIVERSION
void sgd_momentum(std::int64_t size, SgdSettings s, const float* __restrict gradient,
                  float* __restrict parameter, float* __restrict velocity) {
  for (std::int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] + s.weight_decay * parameter[i];
    velocity[i] = s.momentum * velocity[i] + g;
    parameter[i] -= s.learning_rate * velocity[i];
  }
}

REDOUBT_MULTIVERSION
void adam_step(std::int64_t size, AdamSettings s, float step_size, float second_correction,
               const float* __restrict gradient, float* __restrict parameter,
               float* __restrict first, float* __restrict second) {
  for (std::int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] + s.weight_decay * parameter[i];
    first[i] = s.beta1 * first[i] + (1 - s.beta1) * g;
    second[i] = s.beta2 * second[i] + (1 - s.beta2) * g * g;
    const float denominator = std::sqrt(second[i]) * second_correction + s.epsilon;
    parameter[i] -= step_size * first[i] / denominator;
  }
}

}  // namespace

void sgd(Context& context, int replicas, std::int64_t size, const SgdSettings& settings,
         Replicas<const float> gradients, Replicas<float> parameters, Replicas<float> velocity,
         const std::uint8_t* active) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::sgd(context, replicas, size, settings, gradients, parameters, velocity, active);
  }
  check(settings.momentum == 0 || velocity, "momentum needs velocity");
  for (int r = 0; r < replicas; ++r) {
    if (active != nullptr && active[r] == 0) continue;
    if (settings.momentum == 0) {
      sgd_plain(size, settings, gradients[r], parameters[r]);
    } else {
      sgd_momentum(size, settings, gradients[r], parameters[r], velocity[r]);
    }
  }
}

void adam(Context& context, int replicas, std::int64_t size, const AdamSettings& settings,
          const std::int32_t* step, Replicas<const float> gradients, Replicas<float> parameters,
          Replicas<float> first_moment, Replicas<float> second_moment, const std::uint8_t* active) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::adam(context, replicas, size, settings, step, gradients, parameters,
                        first_moment, second_moment, active);
  }
  // p -= lr · (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε), with both corrections taken out of the
  // loop.
  const double first_bias = 1 - std::pow(static_cast<double>(settings.beta1), *step + 1);
  const double second_bias = 1 - std::pow(static_cast<double>(settings.beta2), *step + 1);
  const auto step_size =
      static_cast<float>(static_cast<double>(settings.learning_rate) / first_bias);
  const auto second_correction = static_cast<float>(1 / std::sqrt(second_bias));
  for (int r = 0; r < replicas; ++r) {
    if (active != nullptr && active[r] == 0) continue;
    adam_step(size, settings, step_size, second_correction, gradients[r], parameters[r],
              first_moment[r], second_moment[r]);
  }
}

}  // namespace redoubt::kernels
