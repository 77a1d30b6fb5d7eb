#include "kernels/profile.h"

namespace redoubt::kernels {

ProfileRange::ProfileRange(Device device, const char* name) : device_(device) {
  if constexpr (kCudaBuilt)
    if (device_.kind == Device::Kind::cuda) cuda::push_range(name);
}

ProfileRange::~ProfileRange() {
  if constexpr (kCudaBuilt)
    if (device_.kind == Device::Kind::cuda) cuda::pop_range();
}

void start_profiling(Device device) {
  if constexpr (kCudaBuilt)
    if (device.kind == Device::Kind::cuda) cuda::start_profiling(device);
}

void stop_profiling(Device device) {
  if constexpr (kCudaBuilt)
    if (device.kind == Device::Kind::cuda) cuda::stop_profiling(device);
}

}  // namespace redoubt::kernels
