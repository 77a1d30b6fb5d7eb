// Inverted dropout (Srivastava et al. 2014): each value is kept with probability 1 - rate and
// divided by it. The choice is recomputed from the key in the backward pass; no mask is stored.
#pragma once

#include "base/random.h"
#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

struct DropoutShape {
  int replicas = 1;
  std::int64_t size = 0;  ///< values of one replica
  float rate = 0.5F;      ///< in [0, 1)
  std::uint8_t part =
      0;  ///< which dropout of the network this is: it takes the place of the keys' part
};

/// output[r][i] = input[r][i] · keep(keys[r] with part, i) / (1 - rate). The same call is the
/// backward pass, with the gradient as input. keys: one a replica; not read at rate 0. Output may
/// be input.
void dropout(Context& context, const DropoutShape& shape, const RandomKey* keys,
             Replicas<const float> input, Replicas<float> output);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::dropout) dropout;
}  // namespace cuda

}  // namespace redoubt::kernels
