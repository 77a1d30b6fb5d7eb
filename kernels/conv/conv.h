// Two-dimensional cross-correlation, as in PyTorch's Conv2d.
//   input  [R][Cin][H][W][N]     weight [R][Cout][Cin][KH][KW]
//   output [R][Cout][OH][OW][N]  bias   [R][Cout]
//   OH = (H + 2·padding - KH) / stride + 1, likewise OW.
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

struct ConvShape {
  int replicas = 1;
  int batch = 1;
  int in_channels = 1;
  int height = 1;
  int width = 1;
  int out_channels = 1;
  int kernel_height = 1;
  int kernel_width = 1;
  int stride = 1;
  int padding = 0;

  constexpr int out_height() const { return (height + 2 * padding - kernel_height) / stride + 1; }
  constexpr int out_width() const { return (width + 2 * padding - kernel_width) / stride + 1; }
  constexpr ActivationShape output() const {
    return {.replicas = replicas,
            .channels = out_channels,
            .positions = out_height() * out_width(),
            .batch = batch};
  }
  /// Floats of one replica.
  constexpr std::int64_t input_size() const {
    return std::int64_t{in_channels} * height * width * batch;
  }
  constexpr std::int64_t output_size() const {
    return std::int64_t{out_channels} * out_height() * out_width() * batch;
  }
  constexpr std::int64_t weight_size() const {
    return std::int64_t{out_channels} * in_channels * kernel_height * kernel_width;
  }
};

/// output = weight ⋆ input + bias. Overwrites output. Bias may be absent.
/// y[o,i,j,n] = b[o] + Σ_{c,u,v} w[o,c,u,v] · x[c, i·stride+u-padding, j·stride+v-padding, n]
void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias, Replicas<float> output);

/// grad_input = ∂loss/∂input. Overwrites it. May not overlap grad_output.
void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input);

/// grad_weight = ∂loss/∂weight, summed over the batch. Overwrites it.
void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight);

}  // namespace redoubt::kernels
