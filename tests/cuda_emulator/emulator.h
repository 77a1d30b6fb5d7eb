// A GPU for machines that have none: the .cu files of kernels/, compiled by the host compiler
// against the headers in include/, run here unchanged, so that every test runs on "cuda", too.
//
// Every CUDA thread is a fiber that runs until its next barrier or warp collective. What a GPU may
// do and a plain loop over threads would not show:
//   - The order of threads and blocks is shuffled by a seed, and whole warps or single threads run
//     ahead of others (schedule.h): a missing barrier gives a wrong result.
//   - Kernels that tell their accesses are watched for races (races.h), in whatever order they run.
//   - A barrier or collective that some threads do not reach is reported with kernel, block,
//   threads.
//   - Shared and device memory start as NaN. The bytes behind each allocation are watched; under
//     ASan, a kernel's access outside its allocations stops the program.
//   - Host code that touches device memory faults; a kernel given a host pointer is refused.
//   - A copy into shared memory beside the arithmetic arrives at once or when it is waited for;
//     with seed 0 always the latter.
//   - A stream's work is done when somebody waits for it, not when it is asked for.
// An error reaches the caller as CUDA's would, with the report in cudaGetErrorString().
// Not emulated: blocks that wait for one another, textures, unified memory, cooperative groups.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_emulator {

/// The order of threads and blocks. 0: ascending; others: shuffled, each its own way. At the start
/// it is the environment variable REDOUBT_EMULATOR_SEED, or 1.
void set_seed(std::uint64_t seed);
std::uint64_t seed();

/// true: work is done when it is asked for, so that a debugger or ASan shows who asked.
/// At the start it is whether the environment variable REDOUBT_EMULATOR_EAGER is set to 1.
void set_eager(bool eager);

/// How much device memory there is; 4 GiB at the start.
void set_memory(std::size_t bytes);

/// false: cuDNN supports no convolution. At the start it supports all.
void set_cudnn_supports(bool supports);

/// What has been done since the program began.
struct Counters {
  std::uint64_t launches = 0;
  std::uint64_t threads = 0;   ///< that ran
  std::uint64_t switches = 0;  ///< between fibers
};
Counters counters();

}  // namespace cuda_emulator
