// What a thread copies into shared memory beside its arithmetic. It may arrive at once, or when the
// thread waits for it and no sooner: so whoever overwrites what others still read is noticed, and
// whoever reads too early.
#pragma once

#include <cstddef>
#include <cstring>
#include <deque>
#include <vector>

#include "tests/cuda_emulator/races.h"

namespace cuda_emulator {

struct Copy {
  void* shared;
  const void* global;  ///< null: zeros
  std::size_t bytes;
  const void* place;  ///< of the instruction
};

class PendingCopies {
 public:
  static void make(const Copy& copy) {
    if (copy.global == nullptr) {
      std::memset(copy.shared, 0, copy.bytes);
    } else {
      std::memcpy(copy.shared, copy.global, copy.bytes);
    }
    races().note(Races::Kind::copy_ends, copy.shared, copy.bytes, copy.place);
  }

  void ask(const Copy& copy) { open_.push_back(copy); }

  void end_group() {
    groups_.push_back(std::move(open_));
    open_.clear();
  }

  /// Until at most the last `groups` groups are pending.
  void wait(std::size_t groups) {
    for (; groups_.size() > groups; groups_.pop_front()) {
      for (const Copy& copy : groups_.front()) make(copy);
    }
  }

  void clear() {
    groups_.clear();
    open_.clear();
  }

 private:
  std::deque<std::vector<Copy>> groups_;  ///< those that have ended, the oldest first
  std::vector<Copy> open_;
};

}  // namespace cuda_emulator
