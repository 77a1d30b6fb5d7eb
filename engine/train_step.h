// One step of stochastic gradient descent of every replica.
#pragma once

#include <vector>

#include "engine/loss.h"
#include "engine/network.h"
#include "engine/optimizer.h"
#include "engine/terms.h"
#include "kernels/gather.h"

namespace redoubt {

/// How to step. The pointers are to the device's memory.
struct StepSettings {
  OptimizerSettings optimizer = {};
  const Loss* loss = &softmax_cross_entropy_loss();
  Terms terms = {};
  const std::int32_t* step = nullptr;    ///< steps since the optimizer state was 0
  const std::uint8_t* active = nullptr;  ///< [R] rows under 0 stay as they are; absent: all step
};

/// Gathers the batch, runs forward, loss and backward, and updates the rows. samples [R][N];
/// pass.parameters and pass.gradients are set from `rows`. Adds each replica's loss (before the
/// update) to totals[r].
void train_step(const Network& network, Workspace& workspace, Pass pass,
                const kernels::ImageSource& source,
                kernels::Replicas<const kernels::Sample> samples, const TrainedRows& rows,
                const StepSettings& settings, kernels::LossTotals* totals);

}  // namespace redoubt
