#include "kernels/device.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>
#include <utility>

#include "kernels/check.h"

namespace redoubt {

namespace {

constexpr std::align_val_t kAlignment{64};

[[noreturn]] void no_cuda() {
  throw InputError(
      "device cuda is not available: this build has no CUDA side; use \"cpu\" or \"auto\"");
}

}  // namespace

std::string to_string(Device device) {
  if (device.kind == Device::Kind::cpu) return "cpu";
  return device.index == 0 ? "cuda" : "cuda:" + std::to_string(device.index);
}

Device parse_device(std::string_view name) {
  if (name == "auto" || name == "cpu") return {};
  if (name.starts_with("cuda")) {
    std::string_view number = name.substr(4);
    int index = 0;
    bool valid = number.empty();
    if (number.starts_with(":")) {
      number.remove_prefix(1);
      const auto [end, error] =
          std::from_chars(number.data(), number.data() + number.size(), index);
      valid = error == std::errc() && end == number.data() + number.size() && index >= 0;
    }
    if (valid) no_cuda();
  }
  throw InputError("device is \"" + std::string(name) +
                   "\"; it may be auto, cpu, cuda or cuda:K with K = 0, 1, ...");
}

std::vector<DeviceDescription> available_devices() {
  return {{.device = {}, .name = "this machine's processor"}};
}

void* allocate(Device device, std::size_t bytes) {
  if (device.kind != Device::Kind::cpu) no_cuda();
  return ::operator new(std::max<std::size_t>(bytes, 1), kAlignment);
}

void release(Device device, void* memory) noexcept {
  if (device.kind == Device::Kind::cpu) ::operator delete(memory, kAlignment);
}

Context::Context(Device device, int threads) : device_(device), threads_(threads) {
  if (device.kind != Device::Kind::cpu) no_cuda();
  check(threads >= 1, "a context has at least one thread");
}

Context::~Context() { release(device_, scratch_); }

Context::Context(Context&& other) noexcept
    : device_(other.device_),
      threads_(other.threads_),
      scratch_(std::exchange(other.scratch_, nullptr)),
      scratch_bytes_(std::exchange(other.scratch_bytes_, 0)) {}

Context& Context::operator=(Context&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(threads_, other.threads_);
  std::swap(scratch_, other.scratch_);
  std::swap(scratch_bytes_, other.scratch_bytes_);
  return *this;
}

void* Context::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
    release(device_, std::exchange(scratch_, nullptr));
    scratch_bytes_ = 0;
    scratch_ = allocate(device_, bytes);
    scratch_bytes_ = bytes;
  }
  return scratch_;
}

void Context::copy_to_device(void* device_memory, const void* host, std::size_t bytes) {
  if (bytes > 0) std::memcpy(device_memory, host, bytes);
}

void Context::copy_to_host(void* host, const void* device_memory, std::size_t bytes) {
  if (bytes > 0) std::memcpy(host, device_memory, bytes);
}

void Context::copy_on_device(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memmove(to, from, bytes);
}

void Context::fill_zero(void* device_memory, std::size_t bytes) {
  if (bytes > 0) std::memset(device_memory, 0, bytes);
}

void Context::synchronize() {}

}  // namespace redoubt
