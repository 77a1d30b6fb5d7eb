// What device.cpp asks of the CUDA side (device.cu), without a CUDA header.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace redoubt::kernels::cuda {

struct Devices {
  std::vector<std::string> names;  ///< of cuda:0, cuda:1, ...
  std::string reason_for_none;     ///< CUDA's message if there are none
};
Devices find_devices();
std::string fingerprint(Device device);

void* allocate(Device device, std::size_t bytes);
void release(Device device, void* memory) noexcept;
MemorySize memory_size(Device device);
void copy_to_device(Device device, void* device_memory, const void* host, std::size_t bytes);
void copy_to_host(Device device, void* host, const void* device_memory, std::size_t bytes);
void copy_on_device(Device device, void* to, const void* from, std::size_t bytes);
void fill_zero(Device device, void* device_memory, std::size_t bytes);
void synchronize(Device device);

/// Throws std::logic_error if the device's stream is being captured into a graph, where `event`
/// would leave the graph with stale addresses.
void check_not_capturing(Device device, const char* event);

}  // namespace redoubt::kernels::cuda
