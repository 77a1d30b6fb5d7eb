// Device memory: a range of addresses of its own that only kernels and copies may touch.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>

namespace cuda_emulator {

class DeviceMemory {
 public:
  DeviceMemory();

  /// Null if that much is not free. The bytes are NaN.
  void* allocate(std::size_t bytes);
  /// False if it is not the start of an allocation.
  bool release(void* memory);

  /// What the bytes hold does not matter: they take no memory until they are written again.
  void forget(void* pointer, std::size_t bytes);

  /// Inside the device's addresses, allocated or not.
  bool contains(const void* pointer) const;
  /// Empty if [pointer, pointer + bytes) lies in one allocation, else what is wrong.
  std::string check_range(const void* pointer, std::size_t bytes) const;
  /// Empty if nobody has written behind an allocation, else what was found; found once.
  std::string check_borders();

  void set_capacity(std::size_t bytes) { capacity_ = bytes; }
  std::size_t capacity() const { return capacity_; }
  std::size_t used() const { return used_; }

  /// While one of these lives, host threads can touch device memory.
  class Access {
   public:
    explicit Access(DeviceMemory& memory) : memory_(memory) {
      if (memory_.accesses_++ == 0) memory_.protect(false);
    }
    ~Access() {
      if (--memory_.accesses_ == 0) memory_.protect(true);
    }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

   private:
    DeviceMemory& memory_;
  };

 private:
  struct Range {
    std::size_t bytes;   ///< with what lies behind
    std::size_t wanted;  ///< without
  };

  void protect(bool on);
  void paint_border(std::size_t offset, const Range& range);
  void give_back(std::size_t offset, std::size_t bytes);

  char* start_ = nullptr;
  std::size_t size_ = 0;
  std::size_t reached_ = 0;  ///< offsets below were in use at some time
  std::size_t capacity_ = std::size_t{4} << 30;
  std::size_t used_ = 0;
  int accesses_ = 0;
  std::map<std::size_t, Range> allocated_;     ///< by offset
  std::map<std::size_t, std::size_t> unused_;  ///< offset, bytes
  /// Released lately: kept from use for a while, so that a late reader finds NaN.
  std::deque<std::pair<std::size_t, std::size_t>> quarantine_;
  std::size_t quarantined_ = 0;
};

}  // namespace cuda_emulator
