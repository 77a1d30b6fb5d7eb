// What a profiler sees of a program on a GPU: named ranges and the part to look at. On a CPU
// nothing happens.
#pragma once

#include "kernels/device.h"

namespace redoubt::kernels {

/// Names what is done while it lives, for Nsight's timeline (NVTX).
class ProfileRange {
 public:
  ProfileRange(Device device, const char* name);
  ~ProfileRange();
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;

 private:
  Device device_;
};

/// Brackets what a profiler that was told to wait (`nsys profile -c cudaProfilerApi`, `ncu
/// --profile-from-start off`) records. stop_profiling() first waits for the device.
void start_profiling(Device device);
void stop_profiling(Device device);

namespace cuda {
void push_range(const char* name);
void pop_range();
void start_profiling(Device device);
void stop_profiling(Device device);
}  // namespace cuda

}  // namespace redoubt::kernels
