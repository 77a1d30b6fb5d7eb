// What surrounds the passes of a fleet's training step: each replica's next batch is taken from a
// list made before the round, and who has run out of batches stops, so that a device needs nothing
// of the host between steps.
#pragma once

#include "base/random.h"
#include "kernels/device.h"
#include "kernels/gather.h"
#include "kernels/loss.h"

namespace redoubt::kernels {

/// A round's work, made once.
struct StepPlan {
  int replicas = 1;
  int batch = 1;
  const Sample* samples = nullptr;           ///< [steps][R][N]
  const std::int32_t* steps = nullptr;       ///< [R] how many steps each replica takes
  const std::int32_t* last_epoch = nullptr;  ///< [R] the step that begins its last epoch
  bool operator==(const StepPlan&) const = default;
};

/// What a step reads and changes.
struct StepState {
  std::int32_t* step = nullptr;    ///< the step's number, from 0
  Sample* batch = nullptr;         ///< [R][N]
  RandomKey* keys = nullptr;       ///< [R]; only their step changes
  std::uint8_t* active = nullptr;  ///< [R] 1 if the replica takes this step
  LossTotals* totals = nullptr;    ///< [R]
};

/// Fills in the step's batch, keys and active; clears the totals of replicas that begin their last
/// epoch.
void begin_step(Context& context, const StepPlan& plan, const StepState& state);

/// Counts the step.
void end_step(Context& context, const StepState& state);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::begin_step) begin_step;
decltype(kernels::end_step) end_step;
}  // namespace cuda

}  // namespace redoubt::kernels
