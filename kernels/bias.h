// One number added to every value of a channel.
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

/// values[r][c][·] += bias[r][c].
void add_bias(Context& context, const ActivationShape& shape, Replicas<const float> bias,
              Replicas<float> values);

/// grad_bias[r][c] = Σ grad_output[r][c][·]. Overwrites it.
void bias_gradient(Context& context, const ActivationShape& shape,
                   Replicas<const float> grad_output, Replicas<float> grad_bias);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::add_bias) add_bias;
decltype(kernels::bias_gradient) bias_gradient;
}  // namespace cuda

}  // namespace redoubt::kernels
