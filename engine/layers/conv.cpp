#include "engine/layers/conv.h"

#include "base/check.h"
#include "kernels/bias.h"

namespace redoubt {

namespace {

kernels::ConvShape conv_shape(const Conv::Settings& settings, const Shape& input) {
  if (settings.kernel > input.height + 2 * settings.padding ||
      settings.kernel > input.width + 2 * settings.padding) {
    throw InputError("conv: a kernel of " + std::to_string(settings.kernel) +
                     " does not fit into an input of " + to_string(input) + " with padding " +
                     std::to_string(settings.padding));
  }
  return {.in_channels = input.channels,
          .height = input.height,
          .width = input.width,
          .out_channels = settings.channels,
          .kernel_height = settings.kernel,
          .kernel_width = settings.kernel,
          .stride = settings.stride,
          .padding = settings.padding};
}

}  // namespace

Conv::Conv(const Settings& settings, LayerBuilder& builder)
    : Conv(conv_shape(settings, builder.input()), settings.bias != 0, builder) {}

Conv::Conv(const kernels::ConvShape& shape, bool has_bias, LayerBuilder& builder)
    : Layer({shape.out_channels, shape.out_height(), shape.out_width()}), shape_(shape) {
  const int area = shape.kernel_height * shape.kernel_width;
  const int fan_in = shape.in_channels * area;
  const int fan_out = shape.out_channels * area;
  weight_offset_ = builder.add(
      {.name = "weight",
       .shape = {shape.out_channels, shape.in_channels, shape.kernel_height, shape.kernel_width},
       .role = ParameterSpan::Role::weight,
       .fan_in = fan_in,
       .fan_out = fan_out});
  if (!has_bias) return;
  bias_offset_ = builder.add({.name = "bias",
                              .shape = {shape.out_channels},
                              .role = ParameterSpan::Role::bias,
                              .fan_in = fan_in,
                              .fan_out = fan_out});
}

kernels::ConvShape Conv::shape_of(const Pass& pass) const {
  kernels::ConvShape shape = shape_;
  shape.replicas = pass.replicas;
  shape.batch = pass.batch;
  return shape;
}

void Conv::forward(const Pass& pass, kernels::Replicas<const float> input,
                   kernels::Replicas<float> output,
                   kernels::Replicas<std::uint8_t> /*state*/) const {
  kernels::conv_forward(pass.context, shape_of(pass), input, pass.parameters.offset(weight_offset_),
                        bias_offset_ == kNoBias ? kernels::Replicas<const float>()
                                                : pass.parameters.offset(bias_offset_),
                        output);
}

void Conv::backward(const Pass& pass, const LayerValues& values) const {
  const kernels::ConvShape shape = shape_of(pass);
  kernels::conv_backward_weight(pass.context, shape, values.input, values.grad_output,
                                pass.gradients.offset(weight_offset_));
  if (bias_offset_ != kNoBias) {
    kernels::bias_gradient(pass.context, shape.output(), values.grad_output,
                           pass.gradients.offset(bias_offset_));
  }
  if (values.grad_input) {
    kernels::conv_backward_input(pass.context, shape, pass.parameters.offset(weight_offset_),
                                 values.grad_output, values.grad_input);
  }
}

}  // namespace redoubt
