#include "kernels/profile.h"

namespace redoubt::kernels {

ProfileRange::ProfileRange(Device device, const char* name) : device_(device) {
  if constexpr (kCudaBuilt)
    if (is_cuda(device_)) cuda::push_range(name);
}

ProfileRange::~ProfileRange() {
  if constexpr (kCudaBuilt)
    if (is_cuda(device_)) cuda::pop_range();
}

void start_profiling(Device device) {
  if constexpr (kCudaBuilt)
    if (is_cuda(device)) cuda::start_profiling(device);
}

void stop_profiling(Device device) {
  if constexpr (kCudaBuilt)
    if (is_cuda(device)) cuda::stop_profiling(device);
}

}  // namespace redoubt::kernels
