#include "kernels/step.h"

#include <algorithm>

namespace redoubt::kernels {

void begin_step(Context& context, const StepPlan& plan, const StepState& state) {
  if constexpr (kCudaBuilt)
    if (on_cuda(context)) return cuda::begin_step(context, plan, state);
  const std::int32_t step = *state.step;
  const std::int64_t count = std::int64_t{plan.replicas} * plan.batch;
  std::copy_n(plan.samples + step * count, count, state.batch);
  for (int r = 0; r < plan.replicas; ++r) {
    state.keys[r].step = static_cast<std::uint32_t>(step);
    state.active[r] = step < plan.steps[r] ? 1 : 0;
    if (step == plan.last_epoch[r]) state.totals[r] = {};
  }
}

void end_step(Context& context, const StepState& state) {
  if constexpr (kCudaBuilt)
    if (on_cuda(context)) return cuda::end_step(context, state);
  ++*state.step;
}

}  // namespace redoubt::kernels
