// NVTX ranges and the profiler's switch.
#include "kernels/profile.h"

#include <cuda_profiler_api.h>
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#endif

#include "kernels/launch.h"

namespace redoubt::kernels::cuda {

#if __has_include(<nvtx3/nvToolsExt.h>)
void push_range(const char* name) { nvtxRangePushA(name); }
void pop_range() { nvtxRangePop(); }
#else
void push_range(const char* /*name*/) {}
void pop_range() {}
#endif

void start_profiling(Device device) {
  REDOUBT_CUDA_CHECK(cudaStreamSynchronize(stream(device)));
  REDOUBT_CUDA_CHECK(cudaProfilerStart());
}

void stop_profiling(Device device) {
  REDOUBT_CUDA_CHECK(cudaStreamSynchronize(stream(device)));
  REDOUBT_CUDA_CHECK(cudaProfilerStop());
}

}  // namespace redoubt::kernels::cuda
