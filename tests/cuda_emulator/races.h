// Finds what compute-sanitizer's racecheck finds, and more: two threads that use one byte, one of
// them writing, with nothing that says who comes first. Unlike a shuffled order it does not need
// the wrong one to happen: it reads off the barriers that both have passed.
//
// Kernels compiled with -fsanitize=thread call __tsan_read4() and the like before every access;
// those functions are in race_hooks.cpp. Kernels compiled without are not watched.
//
// Who comes first is known from __syncthreads() for a block, from __syncwarp() with all lanes for a
// warp, and between launches: one after the other, though they be on streams that do not wait for
// each other. Not from a shuffle, a vote or mma.sync, for which CUDA promises nothing about memory.
// Blocks of a launch know no order: what two of them share in device memory is a race, which
// racecheck does not look for. Atomics are no race with one another. What a copy into shared memory
// reads counts as read when the copy is asked for.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cuda_emulator {

class Races {
 public:
  /// Kernels will tell their accesses. Before that, note() does nothing.
  void watch() { watching_ = true; }
  bool watching() const { return watching_; }

  // ---- What happens, told by whoever runs blocks ------------------------------------------------
  void watch_device(const void* start, std::size_t bytes);
  /// All static shared memory lies in it, together with other variables.
  void watch_static(const void* start, std::size_t bytes);
  void watch_dynamic(const void* start, std::size_t bytes);
  void start_launch() { first_block_ = now_.block + 1; }
  void start_block();
  void pass_barrier() { ++now_.barriers; }
  void pass_warp_barrier() { ++warp_barriers_[now_.thread / kWarp]; }
  void run_on(int thread) { now_.thread = static_cast<std::uint16_t>(thread); }

  // ---- Accesses of the running thread -----------------------------------------------------------
  enum class Kind : std::uint8_t {
    read,
    write,
    atomic,
    copy_begins,  ///< cp.async: its bytes belong to nobody until it has ended
    copy_ends,
  };
  /// `place` is the address of the instruction. A race ends the kernel, with a report.
  void note(Kind kind, const void* start, std::size_t bytes, const void* place);

 private:
  static constexpr int kWarp = 32;

  struct Access {
    std::uint32_t block = 0;  ///< counts all blocks of the program; 0: nobody
    std::uint32_t place = 0;  ///< from the start of the program
    std::uint16_t thread = 0;
    std::uint16_t barriers = 0;  ///< that the block had passed
    std::uint16_t warp_barriers = 0;
    bool copying : 1 = false;
    // Since the last barrier others did the same, in no order with this one:
    bool by_lanes : 1 = false;
    bool by_warps : 1 = false;
    bool by_blocks : 1 = false;  ///< since the start of the launch
    std::uint8_t nothing = 0;    ///< so that Byte has no bits that mean nothing
  };
  /// What is known of a byte.
  struct Byte {
    Access written;
    Access changed;  ///< by an atomic
    Access read;

    bool operator==(const Byte& other) const {
      using Words = std::array<std::uint64_t, 6>;
      return std::bit_cast<Words>(*this) == std::bit_cast<Words>(other);
    }
  };
  enum class Space : std::uint8_t { device, shared };
  struct Found {
    Byte* bytes = nullptr;
    Space space = Space::device;
  };

  Found find(const void* start, std::size_t bytes);
  void note_byte(Kind kind, const Access& now, Space space, Byte& byte);
  /// Whether nothing orders `before` and `now`.
  bool unordered(const Access& before, const Access& now, Space space) const;
  Access merged(const Access& before, Access now, Space space) const;
  /// Ends the kernel with a report if nothing orders what was done before and `now`.
  void check(const Access& before, const char* what_it_did, const Access& now, Kind kind,
             Space space);
  void report(const Access& before, const char* what_it_did, const Access& now, Kind kind,
              Space space);

  bool watching_ = false;
  std::string report_;
  Access now_;
  std::uint32_t first_block_ = 1;  ///< of the running launch
  std::uint16_t warp_barriers_[1024 / kWarp] = {};

  struct Range {
    std::uintptr_t start = 0;
    std::size_t bytes = 0;
    /// Where `count` bytes begin in it, or `bytes` if they are not all in it.
    std::size_t offset(const void* pointer, std::size_t count) const;
  };
  Range device_;
  Byte* of_device_ = nullptr;
  Range static_;
  std::vector<Byte> of_static_;
  Range dynamic_;
  std::vector<Byte> of_dynamic_;
};

/// The running block's. There is one, as there is one block at a time.
Races& races();

/// Whether the calling host thread is running a kernel: host code of a .cu file is watched, too.
extern thread_local bool t_in_kernel;

/// While it lives, it is.
struct InKernel {
  InKernel() { t_in_kernel = true; }
  ~InKernel() { t_in_kernel = false; }
  InKernel(const InKernel&) = delete;
  InKernel& operator=(const InKernel&) = delete;
};

}  // namespace cuda_emulator
