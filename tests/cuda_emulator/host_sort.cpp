#include "tests/cuda_emulator/host_sort.h"

#if __has_include(<thrust/sort.h>)
#define THRUST_DEVICE_SYSTEM THRUST_DEVICE_SYSTEM_CPP
#include <thrust/sort.h>
#include <thrust/system/cpp/execution_policy.h>
#else
#include <algorithm>
#endif

namespace cuda_emulator {

void sort_on_host(std::uint64_t* keys, std::int64_t count) {
#if __has_include(<thrust/sort.h>)
  thrust::sort(thrust::cpp::par, keys, keys + count);
#else
  std::sort(keys, keys + count);
#endif
}

}  // namespace cuda_emulator
