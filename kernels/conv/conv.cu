// Convolution on CUDA: picks the engine.
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/conv/choices.h"
#include "kernels/conv/engines.h"
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

/// Engines in the order in which they are tried, of which the first is the best guess. A 1x1
/// kernel's columns are the input itself, so cuBLAS has no columns to build. Otherwise building
/// them moves 8·K·J bytes for 2·Cout·K·J operations: on an H100 that makes cuBLAS the slower one up
/// to 128 channels at least (docs/gpu).
std::vector<ConvEngine> candidates(const ConvShape& s) {
  const bool is_product =
      s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.padding == 0;
  std::vector<ConvEngine> engines = {ConvEngine::implicit, ConvEngine::columns};
  if (is_product) std::swap(engines[0], engines[1]);
  if (is_built(ConvEngine::cudnn)) engines.push_back(ConvEngine::cudnn);
  return engines;
}

/// The engine's passes for a task that `run` computes.
Engine engine_for(Context& context, const ConvTask& task,
                  const std::function<void(Context&)>& run) {
  const ConvShape& s = task.shape;
  check(s.kernel_height <= s.height + 2 * s.padding && s.kernel_width <= s.width + 2 * s.padding,
        "a convolution's kernel fits into its padded input");
  if (context.conv_engine() != ConvEngine::automatic) return passes_of(context.conv_engine());
  const std::vector<ConvEngine> engines = candidates(s);
  if (context.conv_choices() == nullptr) return passes_of(engines.front());
  return passes_of(context.conv_choices()->choose(context, task, engines, run));
}

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  const Engine engine = engine_for(
      context, {ConvPass::forward, shape, context.precision(), input.pitch == 0, weight.pitch == 0},
      [&](Context& trial) { cuda::conv_forward(trial, shape, input, weight, bias, output); });
  engine.forward(context, shape, input, weight, bias, output);
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  const Engine engine = engine_for(
      context, {ConvPass::backward_input, shape, context.precision(), false, weight.pitch == 0},
      [&](Context& trial) {
        cuda::conv_backward_input(trial, shape, weight, grad_output, grad_input);
      });
  engine.backward_input(context, shape, weight, grad_output, grad_input);
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  const Engine engine = engine_for(
      context, {ConvPass::backward_weight, shape, context.precision(), input.pitch == 0, false},
      [&](Context& trial) {
        cuda::conv_backward_weight(trial, shape, input, grad_output, grad_weight);
      });
  engine.backward_weight(context, shape, input, grad_output, grad_weight);
}

}  // namespace redoubt::kernels::cuda
