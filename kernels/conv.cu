// Convolution on CUDA: picks the engine.
#include "kernels/check.h"
#include "kernels/conv_engines.h"
#include "kernels/launch.h"

namespace redoubt::kernels::cuda {

namespace {

/// An engine's three passes.
struct Engine {
  decltype(kernels::conv_forward)* forward;
  decltype(kernels::conv_backward_input)* backward_input;
  decltype(kernels::conv_backward_weight)* backward_weight;
};

Engine passes_of(ConvEngine engine) {
  if constexpr (kCudnnBuilt) {
    if (engine == ConvEngine::cudnn) {
      return {by_cudnn::conv_forward, by_cudnn::conv_backward_input,
              by_cudnn::conv_backward_weight};
    }
  }
  if (engine == ConvEngine::columns) {
    return {columns::conv_forward, columns::conv_backward_input, columns::conv_backward_weight};
  }
  return {implicit::conv_forward, implicit::conv_backward_input, implicit::conv_backward_weight};
}

/// Not measured yet. A 1x1 kernel's columns are the input itself, so cuBLAS has no columns to
/// build. Otherwise building them moves 8·K·J bytes for 2·Cout·K·J operations: below a few hundred
/// output channels that takes longer than the product, which the implicit engine avoids.
ConvEngine engine_for(const Context& context, const ConvShape& s) {
  check(s.kernel_height <= s.height + 2 * s.padding && s.kernel_width <= s.width + 2 * s.padding,
        "a convolution's kernel fits into its padded input");
  if (context.conv_engine() != ConvEngine::automatic) return context.conv_engine();
  const bool is_product =
      s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.padding == 0;
  return is_product ? ConvEngine::columns : ConvEngine::implicit;
}

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  passes_of(engine_for(context, shape)).forward(context, shape, input, weight, bias, output);
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  passes_of(engine_for(context, shape))
      .backward_input(context, shape, weight, grad_output, grad_input);
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  passes_of(engine_for(context, shape))
      .backward_weight(context, shape, input, grad_output, grad_weight);
}

}  // namespace redoubt::kernels::cuda
