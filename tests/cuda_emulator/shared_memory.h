// A block's shared memory: undefined when the block starts, so full of NaN here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace cuda_emulator {

/// Where the running program was loaded: an address less this is one that addr2line knows.
std::uintptr_t program_start();

class SharedMemory {
 public:
  void start_launch(const void* kernel, std::size_t dynamic_bytes);
  void start_block();
  void end_block();
  void* data() const { return dynamic_; }

 private:
  struct Region {
    unsigned char* start;
    std::size_t bytes;
  };
  void find_regions();

  std::vector<Region> regions_;  ///< all static shared memory of the program
  bool found_ = false;
  /// Which of them each kernel was seen to write, by their index. Most kernels use little of what
  /// all have together, so a block overwrites the rest only if it is the launch's first.
  std::map<const void*, std::set<std::size_t>> used_;
  std::set<std::size_t>* of_kernel_ = nullptr;
  bool first_block_ = true;
  void* dynamic_ = nullptr;
  std::size_t dynamic_bytes_ = 0;
};

}  // namespace cuda_emulator
