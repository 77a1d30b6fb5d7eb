#include "tests/cuda_emulator/shared_memory.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "tests/cuda_emulator/races.h"

namespace cuda_emulator {

namespace {

constexpr unsigned char kPoison = 0xff;              // NaN in every floating-point format
constexpr std::string_view kTag = "redoubt_shared";  // of language.h

}  // namespace

std::uintptr_t program_start() {
  static const std::uintptr_t start = [] {
    std::uintptr_t first = 0;
    // The first object is the program itself.
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* result) {
          *static_cast<std::uintptr_t*>(result) = info->dlpi_addr;
          return 1;
        },
        &first);
    return first;
  }();
  return start;
}

void SharedMemory::find_regions() {
  found_ = true;
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const auto size = static_cast<std::size_t>(lseek(file, 0, SEEK_END));
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (mapped == MAP_FAILED) throw std::runtime_error("cuda_emulator cannot read its own program");
  const auto* bytes = static_cast<const char*>(mapped);
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(bytes);
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(bytes + header->e_shoff);
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(bytes + sections[i].sh_offset);
    const char* names = bytes + sections[sections[i].sh_link].sh_offset;
    for (std::size_t s = 0; s < sections[i].sh_size / sizeof(ElfW(Sym)); ++s) {
      if (!std::string_view(names + symbols[s].st_name).ends_with(kTag)) continue;
      regions_.push_back({reinterpret_cast<unsigned char*>(program_start() + symbols[s].st_value),
                          symbols[s].st_size});
    }
  }
  munmap(mapped, size);
  if (regions_.empty()) return;
  const auto by_start = [](const Region& a, const Region& b) { return a.start < b.start; };
  const auto [first, last] = std::minmax_element(regions_.begin(), regions_.end(), by_start);
  races().watch_static(first->start,
                       static_cast<std::size_t>(last->start - first->start) + last->bytes);
}

void SharedMemory::start_launch(const void* kernel, std::size_t dynamic_bytes) {
  if (!found_) find_regions();
  of_kernel_ = &used_[kernel];
  first_block_ = true;
  // Allocated to the byte, so that ASan finds an access behind it.
  std::free(dynamic_);
  dynamic_ = nullptr;
  dynamic_bytes_ = dynamic_bytes;
  if (dynamic_bytes > 0 && posix_memalign(&dynamic_, 128, dynamic_bytes) != 0) {
    throw std::bad_alloc();
  }
  races().watch_dynamic(dynamic_, dynamic_bytes);
}

void SharedMemory::start_block() {
  if (dynamic_bytes_ > 0) std::memset(dynamic_, kPoison, dynamic_bytes_);
  const auto poison = [&](std::size_t i) {
    std::memset(regions_[i].start, kPoison, regions_[i].bytes);
  };
  if (first_block_) {
    for (std::size_t i = 0; i < regions_.size(); ++i) poison(i);
  } else {
    for (const std::size_t i : *of_kernel_) poison(i);
  }
}

void SharedMemory::end_block() {
  if (!std::exchange(first_block_, false)) return;
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    // All bytes are as the first if each is as the one before.
    const bool untouched = region.start[0] == kPoison &&
                           std::memcmp(region.start, region.start + 1, region.bytes - 1) == 0;
    if (!untouched) of_kernel_->insert(i);
  }
}

}  // namespace cuda_emulator
