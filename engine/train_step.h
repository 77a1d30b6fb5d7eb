// One step of stochastic gradient descent of every replica.
#pragma once

#include <vector>

#include "engine/network.h"
#include "engine/optimizer.h"
#include "kernels/gather.h"
#include "kernels/loss.h"

namespace redoubt {

/// An extra loss λ·‖w‖² on one tensor: 2·λ·w is added to its gradient.
struct L2Penalty {
  std::int64_t offset = 0;  ///< the tensor's place in a row
  std::int64_t size = 0;
  float lambda = 0;
  bool operator==(const L2Penalty&) const = default;
};

/// What a malicious client's training adds to each step: kernels/evasion.h.
struct Evasion {
  enum class Metric : std::uint8_t { none, squared_distance, cosine_distance };
  Metric metric = Metric::none;
  float rho = 0;                     ///< the objective is (1 - ρ) · loss + ρ · metric
  const float* anchor = nullptr;     ///< [row] on the device, what distances are from
  const float* direction = nullptr;  ///< [row] on the device; cosine only
  const float* counted = nullptr;    ///< [row] on the device; cosine only: 0 ignores a column
  /// The layer whose weights are clamped to μ ± clip_delta · σ after each step; 0: none.
  double clip_delta = 0;
  std::int64_t clip_offset = 0;       ///< of its weight in a row
  std::int64_t clip_mask_offset = 0;  ///< of its channels in a mask row
  int clip_channels = 0;
  std::int64_t clip_per_channel = 0;
  bool operator==(const Evasion&) const = default;
};

/// What a step changes: rows [R][row] of values, gradients and optimizer state.
struct TrainedRows {
  kernels::Replicas<float> values = {};
  kernels::Replicas<float> gradients = {};
  kernels::Replicas<float> first_state = {};   ///< velocity or first moment; absent if not needed
  kernels::Replicas<float> second_state = {};  ///< adam only
  bool operator==(const TrainedRows&) const = default;
};

/// How to step. The pointers are to the device's memory.
struct StepSettings {
  OptimizerSettings optimizer = {};
  L2Penalty penalty = {};  ///< lambda 0: none
  Evasion evasion = {};
  const std::int32_t* step = nullptr;    ///< steps since the optimizer state was 0; adam only
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
