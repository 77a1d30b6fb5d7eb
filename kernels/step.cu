// The beginning and end of a training step on CUDA.
#include "kernels/step.h"

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

/// One thread a sample; those of the first block's first replicas also see to the replicas. 16
/// bytes a sample: the kernel's time is its latency.
__global__ void take_batch(StepPlan plan, StepState state) {
  const std::int32_t step = *state.step;
  const std::int64_t count = std::int64_t{plan.replicas} * plan.batch;
  const std::int64_t i = global_thread();
  if (i < count) state.batch[i] = plan.samples[step * count + i];
  if (i < plan.replicas) {
    state.keys[i].step = static_cast<std::uint32_t>(step);
    state.active[i] = step < plan.steps[i] ? 1 : 0;
    if (step == plan.last_epoch[i]) state.totals[i] = {};
  }
}

__global__ void count_step(StepState state) { ++*state.step; }

}  // namespace

void begin_step(Context& context, const StepPlan& plan, const StepState& state) {
  const std::int64_t samples = std::int64_t{plan.replicas} * plan.batch;
  launch(context, "begin_step",
         {.grid = {grid_extent(divide_up(samples, kBlock), kMostBlocks)}, .block = {kBlock}},
         take_batch, plan, state);
}

void end_step(Context& context, const StepState& state) {
  launch(context, "end_step", {}, count_step, state);
}

}  // namespace redoubt::kernels::cuda
