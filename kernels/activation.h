// ReLU, with the two things the pruning defense does to a channel, in the same pass: silencing it
// and recording how active it is (Wu et al. 2020, section IV-A: a channel's mean activation over a
// client's images tells how dormant it is).
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

/// What happens to channels beside the ReLU. Every part may be absent.
struct ChannelEffects {
  /// [R][C], each 0 or 1: a channel under 0 is silent. Absent: all are heard.
  Replicas<const float> mask = {};
  /// [R][C]: the sum of the channel's outputs over all positions and the first valid[r] images is
  /// added. Replicas may not share one.
  Replicas<double> record = {};
  /// [R], how many images of the batch are real, the rest being padding. Needed with record only.
  const int* valid = nullptr;
};

/// output = max(input, 0) · mask. Output may be input. NaN stays NaN, so that it is noticed.
void relu_forward(Context& context, const ActivationShape& shape, Replicas<const float> input,
                  const ChannelEffects& effects, Replicas<float> output);

/// grad_input = grad_output where output > 0, else 0; right under any mask, as masked outputs are
/// 0. grad_input may be grad_output.
void relu_backward(Context& context, const ActivationShape& shape, Replicas<const float> output,
                   Replicas<const float> grad_output, Replicas<float> grad_input);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::relu_forward) relu_forward;
decltype(kernels::relu_backward) relu_backward;
}  // namespace cuda

}  // namespace redoubt::kernels
