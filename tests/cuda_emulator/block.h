// Runs the threads of a launch, block after block.
#pragma once

#include <stdexcept>

#include "cuda_emulator/kernel_side.h"

namespace cuda_emulator {

/// What a kernel did wrong; becomes cudaErrorLaunchFailure.
class KernelFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Runs all threads of a launch. Throws KernelFailure. Not for two host threads at once.
void run_launch(const Launch& launch);

}  // namespace cuda_emulator
