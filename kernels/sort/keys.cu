// Thrust's headers take long to compile, so they are included here alone.
#include "kernels/sort/keys.h"

#include <thrust/sort.h>
#include <thrust/system/cuda/execution_policy.h>

#include <cstddef>

#include "kernels/launch.h"

namespace redoubt::kernels::cuda {

namespace {

/// What Thrust takes its memory from, so that a lack of it is told as elsewhere.
struct DeviceMemory {
  using value_type = std::byte;
  Device device;

  std::byte* allocate(std::ptrdiff_t bytes) const {
    return static_cast<std::byte*>(redoubt::allocate(device, static_cast<std::size_t>(bytes)));
  }
  void deallocate(std::byte* memory, std::size_t /*bytes*/) const {
    redoubt::release(device, memory);
  }
};

}  // namespace

void sort_keys(Context& context, std::uint64_t* keys, std::int64_t count) {
  const ProfileRange range(context.device(), "sort_keys");
  DeviceMemory memory = {context.device()};
  thrust::sort(thrust::cuda::par(memory).on(stream(context)), keys, keys + count);
}

}  // namespace redoubt::kernels::cuda
