#include "kernels/device.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/parse_number.h"
#include "kernels/device_cuda.h"

namespace redoubt {

namespace {

constexpr std::align_val_t kAlignment{64};

/// Throws unless the device is there.
void check_available(Device device) {
  if (!is_cuda(device)) return;
  std::string reason = "this build has no CUDA side";
  if constexpr (kCudaBuilt) {
    const kernels::cuda::Devices devices = kernels::cuda::find_devices();
    const int count = static_cast<int>(devices.names.size());
    if (device.index < count) return;
    reason = count > 0 ? "the last of this machine is " +
                             to_string({.kind = Device::Kind::cuda, .index = count - 1})
                       : devices.reason_for_none;
  }
  throw InputError("device " + to_string(device) + " is not available: " + reason +
                   "; use \"cpu\" or \"auto\"");
}

}  // namespace

std::string to_string(Device device) {
  if (device.kind == Device::Kind::cpu) return "cpu";
  return device.index == 0 ? "cuda" : "cuda:" + std::to_string(device.index);
}

Device parse_device(std::string_view name) {
  if (name == "cpu") return {};
  if (name == "auto")
    return available_devices().size() > 1 ? available_devices()[1].device : Device();
  if (name.starts_with("cuda")) {
    std::string_view number = name.substr(4);
    int index = 0;
    bool valid = number.empty();
    if (number.starts_with(":")) {
      number.remove_prefix(1);
      index = parsed_number<int>(number).value_or(-1);
      valid = index >= 0;
    }
    if (valid) {
      const Device device = {.kind = Device::Kind::cuda, .index = index};
      check_available(device);
      return device;
    }
  }
  throw InputError("device is \"" + std::string(name) +
                   "\"; it may be auto, cpu, cuda or cuda:K with K = 0, 1, ...");
}

std::vector<DeviceDescription> available_devices() {
  std::vector<DeviceDescription> devices = {{.device = {}, .name = "this machine's processor"}};
  if constexpr (kCudaBuilt) {
    for (const std::string& name : kernels::cuda::find_devices().names) {
      const int index = static_cast<int>(devices.size()) - 1;
      devices.push_back({.device = {.kind = Device::Kind::cuda, .index = index}, .name = name});
    }
  }
  return devices;
}

std::string fingerprint(Device device) {
  if constexpr (kCudaBuilt)
    if (is_cuda(device)) return kernels::cuda::fingerprint(device);
  return to_string(device);
}

bool is_built(ConvEngine engine) { return engine != ConvEngine::cudnn || kCudnnBuilt; }

OutOfMemory::OutOfMemory(Device device, std::size_t wanted, const MemorySize& memory)
    : message_("device " + to_string(device) + " is out of memory: " + std::to_string(wanted) +
               " bytes wanted, " + std::to_string(memory.free) + " of " +
               std::to_string(memory.all) + " free") {}

void* allocate(Device device, std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  if constexpr (kCudaBuilt)
    if (is_cuda(device)) return kernels::cuda::allocate(device, bytes);
  check_available(device);
  void* memory = ::operator new(bytes, kAlignment, std::nothrow);
  if (memory == nullptr) throw OutOfMemory(device, bytes, memory_size(device));
  return memory;
}

void release(Device device, void* memory) noexcept {
  if constexpr (kCudaBuilt)
    if (is_cuda(device)) return kernels::cuda::release(device, memory);
  ::operator delete(memory, kAlignment);
}

MemorySize memory_size(Device device) {
  if constexpr (kCudaBuilt)
    if (is_cuda(device)) return kernels::cuda::memory_size(device);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return {.free = static_cast<std::size_t>(sysconf(_SC_AVPHYS_PAGES)) * page,
          .all = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * page};
}

Context::Context(Device device, int threads, const Arithmetic& arithmetic)
    : device_(device), threads_(threads), arithmetic_(arithmetic) {
  if constexpr (!kCudaBuilt) check_available(device);
  check(threads >= 1, "a context has at least one thread");
  if (is_cuda(device) && !is_built(arithmetic.conv_engine)) {
    throw InputError("the convolution engine is cudnn, but this build has no cuDNN");
  }
}

Context::~Context() { release(device_, scratch_); }

Context::Context(Context&& other) noexcept
    : device_(other.device_),
      threads_(other.threads_),
      arithmetic_(other.arithmetic_),
      scratch_(std::exchange(other.scratch_, nullptr)),
      scratch_bytes_(std::exchange(other.scratch_bytes_, 0)) {}

Context& Context::operator=(Context&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(threads_, other.threads_);
  std::swap(arithmetic_, other.arithmetic_);
  std::swap(scratch_, other.scratch_);
  std::swap(scratch_bytes_, other.scratch_bytes_);
  return *this;
}

void* Context::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
    if constexpr (kCudaBuilt)
      if (is_cuda(device_)) kernels::cuda::check_not_capturing(device_, "scratch memory grows");
    release(device_, std::exchange(scratch_, nullptr));
    scratch_bytes_ = 0;
    scratch_ = allocate(device_, bytes);
    scratch_bytes_ = bytes;
  }
  return scratch_;
}

void Context::copy_to_device(void* device_memory, const void* host, std::size_t bytes) {
  if (bytes == 0) return;
  if constexpr (kCudaBuilt)
    if (is_cuda(device_)) return kernels::cuda::copy_to_device(device_, device_memory, host, bytes);
  std::memcpy(device_memory, host, bytes);
}

void Context::copy_to_host(void* host, const void* device_memory, std::size_t bytes) {
  if (bytes == 0) return;
  if constexpr (kCudaBuilt)
    if (is_cuda(device_)) return kernels::cuda::copy_to_host(device_, host, device_memory, bytes);
  std::memcpy(host, device_memory, bytes);
}

void Context::copy_on_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  if constexpr (kCudaBuilt)
    if (is_cuda(device_)) return kernels::cuda::copy_on_device(device_, to, from, bytes);
  std::memmove(to, from, bytes);
}

void Context::fill_zero(void* device_memory, std::size_t bytes) {
  if (bytes == 0) return;
  if constexpr (kCudaBuilt)
    if (is_cuda(device_)) return kernels::cuda::fill_zero(device_, device_memory, bytes);
  std::memset(device_memory, 0, bytes);
}

void Context::synchronize() {
  if constexpr (kCudaBuilt)
    if (is_cuda(device_)) kernels::cuda::synchronize(device_);
}

}  // namespace redoubt
