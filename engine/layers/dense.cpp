#include "engine/layers/dense.h"

#include "kernels/bias.h"
#include "kernels/gemm.h"

namespace redoubt {

Dense::Dense(const Settings& settings, LayerBuilder& builder)
    : Layer({settings.units, 1, 1}),
      inputs_(static_cast<int>(builder.input().size())),
      units_(settings.units),
      weight_offset_(builder.add({.name = "weight",
                                  .shape = {units_, inputs_},
                                  .role = ParameterSpan::Role::weight,
                                  .fan_in = inputs_,
                                  .fan_out = units_})),
      bias_offset_(builder.add({.name = "bias",
                                .shape = {units_},
                                .role = ParameterSpan::Role::bias,
                                .fan_in = inputs_,
                                .fan_out = units_})) {}

kernels::ActivationShape Dense::output_shape(const Pass& pass) const {
  return {.replicas = pass.replicas, .channels = units_, .positions = 1, .batch = pass.batch};
}

void Dense::forward(const Pass& pass, kernels::Replicas<const float> input,
                    kernels::Replicas<float> output,
                    kernels::Replicas<std::uint8_t> /*state*/) const {
  kernels::gemm(pass.context,
                {.replicas = pass.replicas,
                 .rows = units_,
                 .columns = pass.batch,
                 .inner = inputs_,
                 .a_stride = inputs_,
                 .b_stride = pass.batch,
                 .c_stride = pass.batch},
                pass.parameters.offset(weight_offset_), input, output);
  kernels::add_bias(pass.context, output_shape(pass), pass.parameters.offset(bias_offset_), output);
}

void Dense::backward(const Pass& pass, const LayerValues& values) const {
  kernels::bias_gradient(pass.context, output_shape(pass), values.grad_output,
                         pass.gradients.offset(bias_offset_));
  // ∂weight [units x inputs] = grad_output [units x N] · inputᵀ [N x inputs]
  kernels::gemm(pass.context,
                {.replicas = pass.replicas,
                 .rows = units_,
                 .columns = inputs_,
                 .inner = pass.batch,
                 .transpose_b = true,
                 .a_stride = pass.batch,
                 .b_stride = pass.batch,
                 .c_stride = inputs_},
                values.grad_output, values.input, pass.gradients.offset(weight_offset_));
  if (!values.grad_input) return;
  // ∂input [inputs x N] = weightᵀ [inputs x units] · grad_output [units x N]
  kernels::gemm(pass.context,
                {.replicas = pass.replicas,
                 .rows = inputs_,
                 .columns = pass.batch,
                 .inner = units_,
                 .transpose_a = true,
                 .a_stride = inputs_,
                 .b_stride = pass.batch,
                 .c_stride = pass.batch},
                pass.parameters.offset(weight_offset_), values.grad_output, values.grad_input);
}

}  // namespace redoubt
