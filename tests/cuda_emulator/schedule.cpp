#include "tests/cuda_emulator/schedule.h"

#include <algorithm>

namespace cuda_emulator {

namespace {

constexpr int kWarp = 32;

}  // namespace

void Schedule::start_block(int threads, Random& random) {
  constexpr Policy kDrawn[] = {Policy::fair, Policy::by_warp, Policy::by_thread};
  policy_ = seed() == 0 ? Policy::ascending : kDrawn[random.below(std::size(kDrawn))];
  started_ = 0;
  able_.clear();
  sequence_.clear();
  draw_sequence(threads, random);
  if (!by_rank()) return;
  rank_.resize(sequence_.size());
  for (int i = 0; i < threads; ++i) {
    rank_[sequence_[i]] = i;
  }
}

void Schedule::draw_sequence(int threads, Random& random) {
  const int group = policy_ == Policy::by_warp ? kWarp : threads;
  const int groups = (threads + group - 1) / group;
  ShuffledOrder order(static_cast<std::uint64_t>(groups), random);
  for (int i = 0; i < groups; ++i) {
    const int first = static_cast<int>(order.next()) * group;
    const int size = std::min(group, threads - first);
    ShuffledOrder lanes(static_cast<std::uint64_t>(size), random);
    for (int j = 0; j < size; ++j) sequence_.push_back(first + static_cast<int>(lanes.next()));
  }
}

void Schedule::release(int thread) {
  able_.push_back(thread);
  if (!by_rank()) return;
  std::push_heap(able_.begin(), able_.end(), [this](int a, int b) { return rank(a) > rank(b); });
}

int Schedule::pick(Random& random) {
  const bool can_start = started_ < std::ssize(sequence_);
  if (able_.empty()) return can_start ? kNewThread : kNobody;
  switch (policy_) {
    case Policy::ascending:
      if (can_start) return kNewThread;
      break;
    case Policy::fair: {
      const std::size_t choice = random.below(able_.size() + (can_start ? 1 : 0));
      if (choice == able_.size()) return kNewThread;
      std::swap(able_[choice], able_.back());
      break;
    }
    case Policy::by_warp:
    case Policy::by_thread:
      // Whoever has begun has a lower rank than whoever has not.
      std::pop_heap(able_.begin(), able_.end(), [this](int a, int b) { return rank(a) > rank(b); });
      break;
  }
  const int thread = able_.back();
  able_.pop_back();
  return thread;
}

}  // namespace cuda_emulator
