// One optimizer step on a block of parameters of every replica, with PyTorch's formulas.
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

struct SgdSettings {
  float learning_rate = 0.01F;
  float momentum = 0;
  float weight_decay = 0;
};

/// g += weight_decay · p;  v = momentum · v + g;  p -= learning_rate · v   (velocity starts as 0).
/// With momentum 0 velocity is not touched and may be absent. `size` floats of each replica.
/// active [R]: replicas under 0 stay as they are, bit for bit; absent: all step.
void sgd(Context& context, int replicas, std::int64_t size, const SgdSettings& settings,
         Replicas<const float> gradients, Replicas<float> parameters, Replicas<float> velocity,
         const std::uint8_t* active = nullptr);

struct AdamSettings {
  float learning_rate = 0.001F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float weight_decay = 0;  ///< added to the gradient (L2), not decoupled
};

/// Kingma and Ba 2015, algorithm 1. *step counts the steps before this one. Moments start as 0.
/// active as above.
void adam(Context& context, int replicas, std::int64_t size, const AdamSettings& settings,
          const std::int32_t* step, Replicas<const float> gradients, Replicas<float> parameters,
          Replicas<float> first_moment, Replicas<float> second_moment,
          const std::uint8_t* active = nullptr);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::sgd) sgd;
decltype(kernels::adam) adam;
}  // namespace cuda

}  // namespace redoubt::kernels
