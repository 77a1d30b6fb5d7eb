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

/// The numbers 0..count-1: i ↦ (factor · i + start) mod count with a factor that shares no divisor
/// with count. Ascending under seed 0.
class ShuffledOrder {
 public:
  ShuffledOrder() = default;
  ShuffledOrder(std::uint64_t count, Random& random) : count_(count) {
    if (seed() == 0 || count < 2) return;
    start_ = random.below(count);
    do {
      factor_ = 1 + random.below(count);
    } while (std::gcd(factor_, count) != 1);
  }
  std::uint64_t at(std::uint64_t i) const {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(factor_) * i + start_) %
                                      count_);
  }

 private:
  std::uint64_t count_ = 1;
  std::uint64_t factor_ = 1;
  std::uint64_t start_ = 0;
};

}  // namespace cuda_emulator
