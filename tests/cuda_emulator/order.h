// Random orders that cost nothing to make.
#pragma once

#include <cstdint>
#include <numeric>

#include "tests/cuda_emulator/emulator.h"

namespace cuda_emulator {

/// SplitMix64 (Steele, Lea and Flood 2014).
class Random {
 public:
  explicit Random(std::uint64_t start = 0) : state_(start) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
  }
  /// In [0, count).
  std::uint64_t below(std::uint64_t count) { return next() % count; }

 private:
  std::uint64_t state_;
};

/// The numbers 0..count-1 once each: start, start + step, ... modulo count, with a step that shares
/// no divisor with count. Ascending under seed 0.
class ShuffledOrder {
 public:
  ShuffledOrder() = default;
  ShuffledOrder(std::uint64_t count, Random& random) : count_(count) {
    if (seed() == 0 || count < 2) return;
    next_ = random.below(count);
    do {
      step_ = 1 + random.below(count - 1);
    } while (std::gcd(step_, count) != 1);
  }
  std::uint64_t next() {
    const std::uint64_t number = next_;
    next_ += step_;
    if (next_ >= count_) next_ -= count_;
    return number;
  }

 private:
  std::uint64_t count_ = 1;
  std::uint64_t step_ = 1;
  std::uint64_t next_ = 0;
};

}  // namespace cuda_emulator
