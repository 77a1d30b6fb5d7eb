#include "engine/layers/conv.h"

#include "base/check.h"
#include "kernels/bias.h"

namespace redoubt {

Conv::Conv(const kernels::ConvShape& shape, std::int64_t weight_offset, std::int64_t bias_offset)
    : Layer({shape.out_channels, shape.out_height(), shape.out_width()}),
      shape_(shape),
      weight_offset_(weight_offset),
      bias_offset_(bias_offset) {
  set_has_parameters();
}

std::unique_ptr<Layer> Conv::make(const std::map<std::string, double>& arguments,
                                  LayerBuilder& builder) {
  const auto argument = [&](const char* name) { return static_cast<int>(arguments.at(name)); };
  const kernels::ConvShape shape = {.in_channels = builder.input.channels,
                                    .height = builder.input.height,
                                    .width = builder.input.width,
                                    .out_channels = argument("channels"),
                                    .kernel_height = argument("kernel"),
                                    .kernel_width = argument("kernel"),
                                    .stride = argument("stride"),
                                    .padding = argument("padding")};
  if (shape.kernel_height > shape.height + 2 * shape.padding ||
      shape.kernel_width > shape.width + 2 * shape.padding) {
    throw InputError("conv: a kernel of " + std::to_string(shape.kernel_height) +
                     " does not fit into an input of " + to_string(builder.input) +
                     " with padding " + std::to_string(shape.padding));
  }
  const int area = shape.kernel_height * shape.kernel_width;
  const int fan_in = shape.in_channels * area;
  const int fan_out = shape.out_channels * area;
  builder.producer = builder.take_name("conv", builder.conv_layers);
  builder.producer_is_conv = true;
  builder.norm.clear();
  const int weight = builder.layout.add(
      {.name = builder.producer + ".weight",
       .shape = {shape.out_channels, shape.in_channels, shape.kernel_height, shape.kernel_width},
       .role = ParameterSpan::Role::weight,
       .fan_in = fan_in,
       .fan_out = fan_out});
  std::int64_t bias_offset = kNoBias;
  if (argument("bias") != 0) {
    const int bias = builder.layout.add({.name = builder.producer + ".bias",
                                         .shape = {shape.out_channels},
                                         .role = ParameterSpan::Role::bias,
                                         .fan_in = fan_in,
                                         .fan_out = fan_out});
    bias_offset = builder.layout.span(bias).offset;
  }
  return std::make_unique<Conv>(shape, builder.layout.span(weight).offset, bias_offset);
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
    kernels::bias_gradient(pass.context,
                           {.replicas = pass.replicas,
                            .channels = shape.out_channels,
                            .positions = output().positions(),
                            .batch = pass.batch},
                           values.grad_output, pass.gradients.offset(bias_offset_));
  }
  if (values.grad_input) {
    kernels::conv_backward_input(pass.context, shape, pass.parameters.offset(weight_offset_),
                                 values.grad_output, values.grad_input);
  }
}

}  // namespace redoubt
