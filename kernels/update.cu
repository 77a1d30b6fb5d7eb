// Optimizer steps on CUDA: element by element, bound by memory bandwidth.
#include "kernels/update.h"

#include "base/check.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

/// 12 bytes a parameter (parameter read and written, gradient read), 20 with momentum.
template <int kWidth, bool kMomentum>
__global__ void step_by_sgd(std::int64_t size, SgdSettings s, Replicas<const float> gradients,
                            Replicas<float> parameters, Replicas<float> velocity,
                            const std::uint8_t* active) {
  const std::int64_t i = pack_index(kWidth);
  const int r = static_cast<int>(blockIdx.y);
  if (i >= size || (active != nullptr && active[r] == 0)) return;
  const Pack<float, kWidth> gradient = load<kWidth>(gradients[r] + i);
  Pack<float, kWidth> parameter = load<kWidth>(parameters[r] + i);
  Pack<float, kWidth> speed = {};
  if constexpr (kMomentum) speed = load<kWidth>(velocity[r] + i);
  for (int j = 0; j < kWidth; ++j) {
    speed.at[j] = s.momentum * speed.at[j] + (gradient.at[j] + s.weight_decay * parameter.at[j]);
    parameter.at[j] -= s.learning_rate * speed.at[j];
  }
  if constexpr (kMomentum) store(velocity[r] + i, speed);
  store(parameters[r] + i, parameter);
}

/// 28 bytes a parameter. The corrections of the moments' start at 0 are the block's, in double.
template <int kWidth>
__global__ void step_by_adam(std::int64_t size, AdamSettings s, const std::int32_t* step,
                             Replicas<const float> gradients, Replicas<float> parameters,
                             Replicas<float> first_moment, Replicas<float> second_moment,
                             const std::uint8_t* active) {
  __shared__ float step_size;
  __shared__ float second_correction;
  if (threadIdx.x == 0) {
    const double first_bias = 1 - pow(static_cast<double>(s.beta1), *step + 1);
    const double second_bias = 1 - pow(static_cast<double>(s.beta2), *step + 1);
    step_size = static_cast<float>(static_cast<double>(s.learning_rate) / first_bias);
    second_correction = static_cast<float>(1 / sqrt(second_bias));
  }
  __syncthreads();
  const std::int64_t i = pack_index(kWidth);
  const int r = static_cast<int>(blockIdx.y);
  if (i >= size || (active != nullptr && active[r] == 0)) return;
  const Pack<float, kWidth> gradient = load<kWidth>(gradients[r] + i);
  Pack<float, kWidth> parameter = load<kWidth>(parameters[r] + i);
  Pack<float, kWidth> first = load<kWidth>(first_moment[r] + i);
  Pack<float, kWidth> second = load<kWidth>(second_moment[r] + i);
  for (int j = 0; j < kWidth; ++j) {
    const float g = gradient.at[j] + s.weight_decay * parameter.at[j];
    first.at[j] = s.beta1 * first.at[j] + (1 - s.beta1) * g;
    second.at[j] = s.beta2 * second.at[j] + (1 - s.beta2) * g * g;
    const float denominator = sqrtf(second.at[j]) * second_correction + s.epsilon;
    parameter.at[j] -= step_size * first.at[j] / denominator;
  }
  store(first_moment[r] + i, first);
  store(second_moment[r] + i, second);
  store(parameters[r] + i, parameter);
}

}  // namespace

void sgd(Context& context, int replicas, std::int64_t size, const SgdSettings& settings,
         Replicas<const float> gradients, Replicas<float> parameters, Replicas<float> velocity,
         const std::uint8_t* active) {
  check(settings.momentum == 0 || velocity, "momentum needs velocity");
  const bool momentum = settings.momentum != 0;
  with_pack_width(
      size,
      [&](auto width) {
        const auto kernel = momentum ? step_by_sgd<width, true> : step_by_sgd<width, false>;
        launch(context, "sgd", over_replicas(replicas, size, width), kernel, size, settings,
               gradients, parameters, velocity, active);
      },
      gradients, parameters, velocity);
}

void adam(Context& context, int replicas, std::int64_t size, const AdamSettings& settings,
          const std::int32_t* step, Replicas<const float> gradients, Replicas<float> parameters,
          Replicas<float> first_moment, Replicas<float> second_moment, const std::uint8_t* active) {
  with_pack_width(
      size,
      [&](auto width) {
        launch(context, "adam", over_replicas(replicas, size, width), step_by_adam<width>, size,
               settings, step, gradients, parameters, first_moment, second_moment, active);
      },
      gradients, parameters, first_moment, second_moment);
}

}  // namespace redoubt::kernels::cuda
