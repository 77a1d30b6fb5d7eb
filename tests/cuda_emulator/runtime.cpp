// CUDA's runtime: errors, devices, memory.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/machine.h"

using cuda_emulator::Lock;
using cuda_emulator::Machine;
using cuda_emulator::machine;

namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
};

const ErrorText& text_of(cudaError_t error) {
  static constexpr ErrorText kUnknown = {cudaSuccess, "unknown", "unknown error"};
  const auto* found = std::find_if(std::begin(kErrors), std::end(kErrors),
                                   [&](const ErrorText& entry) { return entry.error == error; });
  return found == std::end(kErrors) ? kUnknown : *found;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }

const char* cudaGetErrorString(cudaError_t error) {
  Machine& m = machine();
  const Lock lock(m.lock);
  if (error == cudaSuccess || error != m.reported_error || m.report.empty()) {
    return text_of(error).text;
  }
  static thread_local std::string whole;
  whole = std::string(text_of(error).text) + " (" + m.report + ")";
  return whole.c_str();
}

cudaError_t cudaGetLastError() {
  Machine& m = machine();
  const Lock lock(m.lock);
  return std::exchange(m.last_error, cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  Machine& m = machine();
  const Lock lock(m.lock);
  return m.last_error;
}

// ---- Devices ------------------------------------------------------------------------------------

namespace {

constexpr int kMultiprocessors = 4;  // few, so that a grid sized by them strides
constexpr int kShared = 48 * 1024;
constexpr int kSharedOptin = 227 * 1024;

cudaError_t check_device(int device) {
  return device == 0 ? cudaSuccess : machine().note(cudaErrorInvalidDevice);
}

}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return check_device(device); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  *properties = {.name = "emulated GPU",
                 .totalGlobalMem = machine().memory.capacity(),
                 .sharedMemPerBlock = kShared,
                 .sharedMemPerBlockOptin = kSharedOptin,
                 .warpSize = 32,
                 .maxThreadsPerBlock = 1024,
                 .major = 9,
                 .minor = 0,
                 .multiProcessorCount = kMultiprocessors,
                 .l2CacheSize = 1 << 20};
  return check_device(device);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  const cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = kShared;
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = kSharedOptin;
      return cudaSuccess;
  }
  return machine().note(cudaErrorInvalidValue);
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaFuncSetAttribute(const void* /*kernel*/, cudaFuncAttribute attribute, int value) {
  const bool fits = attribute != cudaFuncAttributeMaxDynamicSharedMemorySize ||
                    (value >= 0 && value <= kSharedOptin);
  return fits ? cudaSuccess : machine().note(cudaErrorInvalidValue);
}

// ---- Allocation ---------------------------------------------------------------------------------

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes) {
  Machine& m = machine();
  const Lock lock(m.lock);
  *all_bytes = m.memory.capacity();
  *free_bytes = *all_bytes - std::min(*all_bytes, m.memory.used());
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  Machine& m = machine();
  const Lock lock(m.lock);
  const cudaError_t allowed = m.allow_in_capture("cudaMalloc");
  if (allowed != cudaSuccess) return allowed;
  *memory = bytes == 0 ? nullptr : m.memory.allocate(bytes);
  return bytes == 0 || *memory != nullptr ? cudaSuccess : m.note(cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  Machine& m = machine();
  const Lock lock(m.lock);
  const cudaError_t allowed = m.allow_in_capture("cudaFree");
  if (allowed != cudaSuccess) return allowed;
  const cudaError_t finished = m.finish_all();
  if (!m.memory.release(memory)) return m.note(cudaErrorInvalidValue, "cudaFree of no allocation");
  return finished;
}

cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t /*stream*/) {
  return cudaMalloc(memory, bytes);
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  Machine& m = machine();
  const Lock lock(m.lock);
  return m.enqueue(stream, [memory] {
    if (memory != nullptr && !machine().memory.release(memory)) {
      throw cuda_emulator::KernelFailure("cudaFreeAsync of no allocation");
    }
  });
}

cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned /*flags*/) {
  return cudaMallocHost(memory, bytes);
}

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  Machine& m = machine();
  const Lock lock(m.lock);
  *memory = std::malloc(std::max<std::size_t>(bytes, 1));
  if (*memory == nullptr) return m.note(cudaErrorMemoryAllocation);
  m.pinned[*memory] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  Machine& m = machine();
  const Lock lock(m.lock);
  const cudaError_t finished = m.finish_all();
  if (m.pinned.erase(memory) == 0) return m.note(cudaErrorInvalidValue);
  std::free(memory);
  return finished;
}

// ---- Copies -------------------------------------------------------------------------------------

namespace {

/// `rows` runs of `width` bytes, `pitch` apart.
struct Rows {
  std::size_t pitch;
  std::size_t width;
  std::size_t rows;
  std::size_t span() const { return rows == 0 || width == 0 ? 0 : (rows - 1) * pitch + width; }
};

void copy_rows(char* to, std::size_t to_pitch, const char* from, const Rows& rows) {
  for (std::size_t row = 0; row < rows.rows; ++row) {
    std::memmove(to + row * to_pitch, from + row * rows.pitch, rows.width);
  }
}

/// What is wrong with one side of a copy.
std::string check_side(const void* pointer, std::size_t bytes, bool on_device) {
  Machine& m = machine();
  if (on_device) return m.memory.check_range(pointer, bytes);
  return m.memory.contains(pointer) ? "a pointer that should lead to host memory does not" : "";
}

cudaError_t copy(void* to, std::size_t to_pitch, const void* from, const Rows& rows,
                 cudaMemcpyKind kind, cudaStream_t stream, bool wait) {
  Machine& m = machine();
  const Lock lock(m.lock);
  if (kind == cudaMemcpyDefault) {
    kind = static_cast<cudaMemcpyKind>((m.memory.contains(to) ? 1 : 0) +
                                       (m.memory.contains(from) ? 2 : 0));
  }
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const Rows to_rows = {to_pitch, rows.width, rows.rows};
  for (const std::string& wrong :
       {check_side(to, to_rows.span(), to_device), check_side(from, rows.span(), from_device)}) {
    if (!wrong.empty()) return m.note(cudaErrorInvalidValue, wrong);
  }
  const bool from_pageable = !from_device && !m.is_pinned(from);
  const bool to_pageable = !to_device && !m.is_pinned(to);
  if (m.stream(stream).capture == cudaStreamCaptureStatusActive &&
      (wait || from_pageable || to_pageable)) {
    m.stream(stream).capture = cudaStreamCaptureStatusInvalidated;
    return m.note(cudaErrorStreamCaptureUnsupported, "a copy of pageable memory");
  }
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  cudaError_t asked = cudaSuccess;
  if (from_pageable) {
    // The driver takes pageable memory as it is now.
    std::vector<char> staged(source, source + rows.span());
    asked = m.enqueue(stream, [target, to_pitch, rows, staged = std::move(staged)] {
      copy_rows(target, to_pitch, staged.data(), rows);
    });
  } else {
    asked = m.enqueue(
        stream, [target, to_pitch, rows, source] { copy_rows(target, to_pitch, source, rows); });
  }
  if (asked != cudaSuccess) return asked;
  return wait || to_pageable ? m.finish(m.stream(stream)) : cudaSuccess;
}

cudaError_t fill(void* memory, int byte, std::size_t bytes, cudaStream_t stream) {
  Machine& m = machine();
  const Lock lock(m.lock);
  const std::string wrong = m.memory.check_range(memory, bytes);
  if (!wrong.empty()) return m.note(cudaErrorInvalidValue, wrong);
  return m.enqueue(stream, [memory, byte, bytes] { std::memset(memory, byte, bytes); });
}

}  // namespace

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return copy(to, bytes, from, {bytes, bytes, 1}, kind, nullptr, true);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy(to, bytes, from, {bytes, bytes, 1}, kind, stream, false);
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  return copy(to, to_pitch, from, {from_pitch, width, height}, kind, stream, false);
}

cudaError_t cudaMemset(void* memory, int byte, std::size_t bytes) {
  return fill(memory, byte, bytes, nullptr);
}

cudaError_t cudaMemsetAsync(void* memory, int byte, std::size_t bytes, cudaStream_t stream) {
  return fill(memory, byte, bytes, stream);
}
