// One step of an optimizer on a block of columns.
#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt {

/// Columns of R rows of a fleet: `size` floats of each. State starts as 0 in each round.
struct OptimizerStep {
  Context& context;
  int replicas = 1;
  std::int64_t size = 0;
  kernels::Replicas<float> gradients = {};
  kernels::Replicas<float> values = {};
  kernels::Replicas<float> first_state = {};   ///< absent if the optimizer has no rows of state
  kernels::Replicas<float> second_state = {};  ///< absent if it has one at most
  const std::int32_t* step = nullptr;          ///< on the device: steps since the state was 0
  const std::uint8_t* active = nullptr;        ///< [R] rows under 0 stay as they are; absent: none
};

}  // namespace redoubt
