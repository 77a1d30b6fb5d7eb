#include "tests/cuda_emulator/machine.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/emulator.h"

namespace cuda_emulator {

namespace {

constexpr std::size_t kMostTasks = 4096;  // a GPU's queue is not endless, either

std::uint64_t seed_from_environment() {
  const char* text = std::getenv("REDOUBT_EMULATOR_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

std::uint64_t& seed_value() {
  static std::uint64_t value = seed_from_environment();
  return value;
}

}  // namespace

void set_seed(std::uint64_t value) { seed_value() = value; }
std::uint64_t seed() { return seed_value(); }

void set_eager(bool eager) {
  Machine& m = machine();
  const Lock lock(m.lock);
  m.finish_all();
  m.eager = eager;
}

void set_memory(std::size_t bytes) {
  Machine& m = machine();
  const Lock lock(m.lock);
  m.memory.set_capacity(bytes);
}

Machine& machine() {
  // Never destroyed: buffers of static lifetime are released until the end.
  static Machine& only = *[] {
    auto* made = new Machine;
    const char* eager = std::getenv("REDOUBT_EMULATOR_EAGER");
    made->eager = eager != nullptr && std::string_view(eager) == "1";
    return made;
  }();
  return only;
}

cudaError_t Machine::note(cudaError_t error, const std::string& text) {
  if (error == cudaSuccess) return error;
  last_error = error;
  reported_error = error;
  report = text;
  return error;
}

cudaError_t Machine::enqueue(cudaStream_t handle, Task task) {
  CUstream_st& own = stream(handle);
  if (own.capture == cudaStreamCaptureStatusActive) {
    own.captured.push_back(std::move(task));
    return cudaSuccess;
  }
  own.tasks.push_back(std::move(task));
  return eager || own.tasks.size() > kMostTasks ? finish(own) : cudaSuccess;
}

void Machine::run_first(CUstream_st& own) {
  const Task task = std::move(own.tasks.front());
  own.tasks.pop_front();
  task();
}

cudaError_t Machine::finish(CUstream_st& own) {
  if (own.tasks.empty()) return cudaSuccess;
  const DeviceMemory::Access access(memory);
  try {
    while (!own.tasks.empty()) run_first(own);
  } catch (const KernelFailure& failure) {
    default_stream_.tasks.clear();
    for (CUstream_st* other : streams) other->tasks.clear();
    return note(cudaErrorLaunchFailure, failure.what());
  }
  return cudaSuccess;
}

cudaError_t Machine::finish_all() {
  cudaError_t result = finish(default_stream_);
  for (CUstream_st* own : streams) {
    const cudaError_t error = finish(*own);
    if (result == cudaSuccess) result = error;
  }
  return result;
}

cudaError_t Machine::allow_in_capture(const char* call) {
  for (CUstream_st* own : streams) {
    if (own->capture == cudaStreamCaptureStatusActive &&
        own->mode != cudaStreamCaptureModeRelaxed) {
      own->capture = cudaStreamCaptureStatusInvalidated;
      return note(cudaErrorStreamCaptureUnsupported,
                  std::string(call) + " while a stream is being captured");
    }
  }
  return cudaSuccess;
}

bool Machine::is_pinned(const void* pointer) const {
  auto after = pinned.upper_bound(const_cast<void*>(pointer));
  if (after == pinned.begin()) return false;
  const auto& [start, bytes] = *std::prev(after);
  return static_cast<const char*>(pointer) < static_cast<const char*>(start) + bytes;
}

// ---- Launches -----------------------------------------------------------------------------------

bool is_on_device(const void* pointer) {
  Machine& m = machine();
  const Lock lock(m.lock);
  return m.memory.contains(pointer) || m.is_pinned(pointer);
}

void report_host_pointer(const char* kernel, int argument) {
  Machine& m = machine();
  const Lock lock(m.lock);
  m.note(cudaErrorIllegalAddress, std::string("kernel \"") + kernel + "\": argument " +
                                      std::to_string(argument) + " leads to host memory");
}

void enqueue(Launch launch, cudaStream_t stream) {
  constexpr std::size_t kMostShared = 227 * 1024;
  Machine& m = machine();
  const Lock lock(m.lock);
  const auto threads = std::uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  const bool grid_fits = launch.grid.x >= 1 && launch.grid.x <= 0x7fffffffU && launch.grid.y >= 1 &&
                         launch.grid.y <= 65535U && launch.grid.z >= 1 && launch.grid.z <= 65535U;
  if (threads == 0 || threads > 1024 || launch.block.z > 64 || !grid_fits) {
    m.note(cudaErrorInvalidConfiguration);
    return;
  }
  if (launch.shared_bytes > kMostShared) {
    m.note(cudaErrorInvalidValue);
    return;
  }
  m.enqueue(stream, [launch = std::move(launch)] {
    run_launch(launch);
    const std::string damage = machine().memory.check_borders();
    if (!damage.empty()) {
      throw KernelFailure(std::string("kernel \"") + launch.name + "\" " + damage);
    }
  });
}

}  // namespace cuda_emulator
