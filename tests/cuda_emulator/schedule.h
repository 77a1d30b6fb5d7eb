// Whose turn it is among the threads of a block.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/cuda_emulator/order.h"

namespace cuda_emulator {

/// A GPU promises no order between two barriers. Every block draws how the order is made:
///   - fair: anyone who can run, or a thread that has not begun. All stay close to one another.
///   - by warp: warps have ranks, and the first that can run does. After a barrier the first warp
///     is at the next one before the last has read what lay there: what a missing barrier between
///     two uses of shared memory needs to be seen, and what a fair draw all but never gives.
///   - by thread: the same with ranks for threads, so that lanes of a warp run ahead of each other
///     up to their next collective (a missing __syncwarp).
/// Seed 0: threads begin in ascending order, before any goes on.
class Schedule {
 public:
  static constexpr int kNobody = -1;
  static constexpr int kNewThread = -2;

  void start_block(int threads, Random& random);

  /// The next thread to begin. Not more often than there are threads.
  int begin() { return sequence_[started_++]; }
  /// The thread waits for nothing but its turn. With seed 0, those released last go first.
  void release(int thread);
  /// A thread to go on with: one of the released, or kNewThread, or kNobody.
  int pick(Random& random);

 private:
  enum class Policy : std::uint8_t { ascending, fair, by_warp, by_thread };

  bool by_rank() const { return policy_ == Policy::by_warp || policy_ == Policy::by_thread; }
  int rank(int thread) const { return rank_[thread]; }
  void draw_sequence(int threads, Random& random);

  Policy policy_ = Policy::fair;
  int started_ = 0;
  std::vector<int> sequence_;  ///< threads in the order in which they begin
  std::vector<int> rank_;      ///< a thread's place in it
  std::vector<int> able_;      ///< a heap with the lowest rank in front where ranks count
};

}  // namespace cuda_emulator
