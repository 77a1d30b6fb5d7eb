#include "tests/cuda_emulator/memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <new>
#include <string_view>

#include "tests/cuda_emulator/races.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_emulator {

namespace {

constexpr std::size_t kAlignment = 256;  // as cudaMalloc's
constexpr std::size_t kBorder = 256;
constexpr std::size_t kQuarantine = std::size_t{1} << 20;
constexpr std::size_t kPage = 4096;
constexpr unsigned char kPoison = 0xff;  // NaN in every floating-point format
constexpr unsigned char kPaint = 0xa5;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

void hide([[maybe_unused]] const void* start, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(start, bytes);
#endif
}
void show([[maybe_unused]] const void* start, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(start, bytes);
#endif
}

const DeviceMemory* g_memory = nullptr;
struct sigaction g_before = {};

/// Says what happened, then lets the fault take its course.
void on_fault(int /*signal*/, siginfo_t* info, void* /*context*/) {
  if (g_memory != nullptr && g_memory->contains(info->si_addr)) {
    constexpr std::string_view kMessage = "cuda_emulator: host code touched device memory\n";
    static_cast<void>(!write(STDERR_FILENO, kMessage.data(), kMessage.size()));
  }
  sigaction(SIGSEGV, &g_before, nullptr);  // the access is repeated on return
}

}  // namespace

DeviceMemory::DeviceMemory() {
  for (std::size_t gibibytes = 64; gibibytes >= 4 && start_ == nullptr; gibibytes /= 4) {
    size_ = gibibytes << 30;
    void* memory =
        mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) start_ = static_cast<char*>(memory);
  }
  if (start_ == nullptr) throw std::bad_alloc();
  races().watch_device(start_, size_);
  unused_[kBorder] = size_ - kBorder;
  g_memory = this;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &g_before);
}

void* DeviceMemory::allocate(std::size_t wanted) {
  if (wanted > capacity_ - std::min(used_, capacity_)) return nullptr;
  const std::size_t bytes = round_up(wanted, kAlignment) + kBorder;
  const auto place = std::find_if(unused_.begin(), unused_.end(),
                                  [&](const auto& free) { return free.second >= bytes; });
  if (place == unused_.end()) return nullptr;
  const std::size_t offset = place->first;
  const std::size_t left = place->second - bytes;
  unused_.erase(place);
  if (left > 0) unused_[offset + bytes] = left;
  used_ += wanted;
  reached_ = std::max(reached_, offset + bytes);
  const Access access(*this);
  protect(false);  // reached_ has grown
  show(start_ + offset, bytes);
  std::memset(start_ + offset, kPoison, wanted);
  paint_border(offset, allocated_[offset] = {bytes, wanted});
  return start_ + offset;
}

void DeviceMemory::paint_border(std::size_t offset, const Range& range) {
  std::memset(start_ + offset + range.wanted, kPaint, range.bytes - range.wanted);
  hide(start_ + offset + range.wanted, range.bytes - range.wanted);
}

bool DeviceMemory::release(void* memory) {
  const auto found =
      contains(memory)
          ? allocated_.find(static_cast<std::size_t>(static_cast<char*>(memory) - start_))
          : allocated_.end();
  if (found == allocated_.end()) return false;
  const auto [offset, range] = *found;
  {
    const Access access(*this);
    std::memset(start_ + offset, kPoison, range.wanted);
    hide(start_ + offset, range.bytes);
  }
  allocated_.erase(found);
  used_ -= range.wanted;
  quarantine_.emplace_back(offset, range.bytes);
  quarantined_ += range.bytes;
  while (quarantined_ > kQuarantine) {
    const auto [oldest, bytes] = quarantine_.front();
    quarantine_.pop_front();
    quarantined_ -= bytes;
    give_back(oldest, bytes);
  }
  return true;
}

void DeviceMemory::give_back(std::size_t offset, std::size_t bytes) {
  auto next = unused_.lower_bound(offset);
  if (next != unused_.end() && offset + bytes == next->first) {
    bytes += next->second;
    next = unused_.erase(next);
  }
  if (next != unused_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      before->second += bytes;
      return;
    }
  }
  unused_[offset] = bytes;
}

void DeviceMemory::forget(void* pointer, std::size_t bytes) {
  char* const first =
      start_ + round_up(static_cast<std::size_t>(static_cast<char*>(pointer) - start_), kPage);
  char* const end = static_cast<char*>(pointer) + bytes;
  if (first + kPage < end)
    madvise(first, static_cast<std::size_t>(end - first) / kPage * kPage, MADV_DONTNEED);
}

bool DeviceMemory::contains(const void* pointer) const {
  const auto* address = static_cast<const char*>(pointer);
  return address >= start_ && address < start_ + size_;
}

std::string DeviceMemory::check_range(const void* pointer, std::size_t bytes) const {
  if (bytes == 0) return {};
  if (!contains(pointer)) return "a pointer that should lead to device memory does not";
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(pointer) - start_);
  auto after = allocated_.upper_bound(offset);
  if (after != allocated_.begin()) {
    const auto& [start, range] = *std::prev(after);
    if (offset + bytes <= start + range.wanted) return {};
  }
  return std::to_string(bytes) + " bytes of device memory are not in one allocation";
}

std::string DeviceMemory::check_borders() {
#if !defined(__SANITIZE_ADDRESS__)
  for (const auto& [offset, range] : allocated_) {
    const char* begin = start_ + offset + range.wanted;
    const char* end = start_ + offset + range.bytes;
    // All bytes are as the first if each is as the one before.
    const bool clean =
        static_cast<unsigned char>(*begin) == kPaint &&
        std::memcmp(begin, begin + 1, static_cast<std::size_t>(end - begin) - 1) == 0;
    if (clean) continue;
    paint_border(offset, range);
    return "wrote behind the end of an allocation of " + std::to_string(range.wanted) + " bytes";
  }
#endif
  return {};
}

void DeviceMemory::protect(bool on) {
  const std::size_t bytes = round_up(reached_, kPage);
  if (bytes > 0) mprotect(start_, bytes, on ? PROT_NONE : PROT_READ | PROT_WRITE);
}

}  // namespace cuda_emulator
