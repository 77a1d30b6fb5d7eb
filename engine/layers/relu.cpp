#include "engine/layers/relu.h"

namespace redoubt {

kernels::ChannelEffects MaskedChannels::effects(const Pass& pass) const {
  if (offset_ < 0) return {};
  kernels::ChannelEffects effects;
  if (pass.masks) effects.mask = pass.masks.offset(offset_);
  if (pass.record) {
    effects.record = pass.record.offset(offset_);
    effects.valid = pass.valid;
  }
  return effects;
}

kernels::ActivationShape Relu::shape_of(const Pass& pass) const {
  return {.replicas = pass.replicas,
          .channels = output().channels,
          .positions = output().positions(),
          .batch = pass.batch};
}

void Relu::forward(const Pass& pass, kernels::Replicas<const float> input,
                   kernels::Replicas<float> output,
                   kernels::Replicas<std::uint8_t> /*state*/) const {
  kernels::relu_forward(pass.context, shape_of(pass), input, channels_.effects(pass), output);
}

void Relu::backward(const Pass& pass, const LayerValues& values) const {
  if (!values.grad_input) return;
  kernels::relu_backward(pass.context, shape_of(pass), values.output, values.grad_output,
                         values.grad_input);
}

}  // namespace redoubt
