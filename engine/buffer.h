// Memory on a device, freed when the buffer goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt {

/// `count` elements of T on a device, aligned to 64 bytes. T is copied as bytes.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  /// All bytes 0.
  Buffer(Device device, std::int64_t count) : Buffer(Allocated{}, device, count) {
    Context(device).fill_zero(data_, bytes());
  }
  Buffer(Device device, std::span<const T> values) : Buffer(device, std::ssize(values)) {
    upload(values);
  }
  ~Buffer() { release(device_, data_); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::int64_t count() const { return count_; }
  std::size_t bytes() const { return static_cast<std::size_t>(count_) * sizeof(T); }
  Device device() const { return device_; }

  /// Replicas of `pitch` elements each.
  kernels::Replicas<T> replicas(std::int64_t pitch) { return {data_, pitch}; }
  kernels::Replicas<const T> replicas(std::int64_t pitch) const { return {data_, pitch}; }

  void upload(std::span<const T> values) {
    check(std::ssize(values) == count_, "an upload fills the buffer");
    Context(device_).copy_to_device(data_, values.data(), bytes());
  }
  std::vector<T> download() const {
    std::vector<T> values(count_);
    Context(device_).copy_to_host(values.data(), data_, bytes());
    return values;
  }

 private:
  struct Allocated {};
  /// Once this is done the destructor releases the memory, also if what follows throws.
  Buffer(Allocated /*tag*/, Device device, std::int64_t count) : device_(device), count_(count) {
    data_ = static_cast<T*>(allocate(device, bytes()));
  }
  void swap(Buffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }

  Device device_;
  T* data_ = nullptr;
  std::int64_t count_ = 0;
};

/// Copies host values into a buffer that grows when it must.
template <class T>
void upload(Context& context, const std::vector<T>& values, Buffer<T>& buffer) {
  if (buffer.count() < std::ssize(values)) buffer = {context.device(), std::ssize(values)};
  context.copy_to_device(buffer.data(), values.data(), values.size() * sizeof(T));
}

}  // namespace redoubt
