// Convolution picks its engine.
#include "kernels/conv/conv.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "kernels/conv/choices.h"
#include "kernels/conv/engines.h"
#include "kernels/conv/passes.h"

namespace redoubt::kernels {

namespace {

struct Passes {
  decltype(conv_forward)* forward;
  decltype(conv_backward_input)* backward_input;
  decltype(conv_backward_weight)* backward_weight;
};

/// Of an engine that this build has.
Passes passes_of(ConvEngine engine) {
  if constexpr (kCudnnBuilt) {
    if (engine == ConvEngine::cudnn) {
      return {cuda::by_cudnn::conv_forward, cuda::by_cudnn::conv_backward_input,
              cuda::by_cudnn::conv_backward_weight};
    }
  }
  if constexpr (kCudaBuilt) {
    if (engine == ConvEngine::columns) {
      return {cuda::columns::conv_forward, cuda::columns::conv_backward_input,
              cuda::columns::conv_backward_weight};
    }
    if (engine == ConvEngine::implicit) {
      return {cuda::implicit::conv_forward, cuda::implicit::conv_backward_input,
              cuda::implicit::conv_backward_weight};
    }
  }
  return {direct::conv_forward, direct::conv_backward_input, direct::conv_backward_weight};
}

/// On a CPU: the first that takes the shape. No clock decides, so bits do not depend on load.
ConvEngine engine_on_cpu(const ConvShape& shape) {
  for (const ConvEngineEntry& entry : kConvEngines) {
    if (entry.device == Device::Kind::cpu && entry.supports(shape)) return entry.engine;
  }
  throw std::logic_error("a CPU's engine takes any shape");
}

/// Engines in the order in which they are tried, of which the first is the best guess. A 1x1
/// kernel's columns are the input itself, so cuBLAS has no columns to build. Otherwise building
/// them moves 8·K·J bytes for 2·Cout·K·J operations: on an H100 that makes cuBLAS the slower one up
/// to 128 channels at least (docs/gpu).
std::vector<ConvEngine> candidates_on_cuda(const ConvShape& s) {
  std::vector<ConvEngine> engines;
  for (const ConvEngineEntry& entry : kConvEngines) {
    if (entry.device != Device::Kind::cuda || !is_built(entry.engine)) continue;
    if (entry.supports(s)) engines.push_back(entry.engine);
  }
  const bool is_product =
      s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.padding == 0;
  const auto best = std::ranges::find(engines, is_product ? ConvEngine::columns  //
                                                          : ConvEngine::implicit);
  if (best != engines.end()) std::rotate(engines.begin(), best, best + 1);
  return engines;
}

/// `run` computes the task with any Context.
template <class Run>
ConvEngine engine_on_cuda(Context& context, const ConvTask& task, const Run& run) {
  const ConvEngine engine = context.conv_engine();
  if (engine != ConvEngine::automatic) {
    const ConvEngineEntry& entry = conv_engine_entry(engine);
    check(entry.device == Device::Kind::cuda, "a GPU's convolutions are computed by its engines");
    if (entry.supports(task.shape)) return engine;
    throw Unsupported(std::string(entry.name) + " cannot compute " + to_string(task));
  }
  const std::vector<ConvEngine> engines = candidates_on_cuda(task.shape);
  if (engines.empty()) throw Unsupported("no engine of convolution computes " + to_string(task));
  if (context.conv_choices() == nullptr) return engines.front();
  return context.conv_choices()->choose(context, task, engines, run);
}

template <class Run>
Passes passes_for(Context& context, const ConvTask& task, const Run& run) {
  const ConvShape& s = task.shape;
  check(s.kernel_height <= s.height + 2 * s.padding && s.kernel_width <= s.width + 2 * s.padding,
        "a convolution's kernel fits into its padded input");
  return passes_of(on_cuda(context) ? engine_on_cuda(context, task, run) : engine_on_cpu(s));
}

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  const Passes passes = passes_for(
      context, {ConvPass::forward, shape, context.precision(), input.pitch == 0, weight.pitch == 0},
      [&](Context& trial) { conv_forward(trial, shape, input, weight, bias, output); });
  passes.forward(context, shape, input, weight, bias, output);
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  const Passes passes = passes_for(
      context, {ConvPass::backward_input, shape, context.precision(), false, weight.pitch == 0},
      [&](Context& trial) { conv_backward_input(trial, shape, weight, grad_output, grad_input); });
  passes.backward_input(context, shape, weight, grad_output, grad_input);
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  const Passes passes = passes_for(
      context, {ConvPass::backward_weight, shape, context.precision(), input.pitch == 0, false},
      [&](Context& trial) { conv_backward_weight(trial, shape, input, grad_output, grad_weight); });
  passes.backward_weight(context, shape, input, grad_output, grad_weight);
}

}  // namespace redoubt::kernels
