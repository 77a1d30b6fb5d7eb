// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011) from Random123. A number depends on its key and index only, never on the
// thread or the order in which it was drawn.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <utility>

#include <Random123/philox.h>

namespace redoubt {

/// What the numbers are for. The values are part of every result: append, never renumber.
enum class Purpose : std::uint8_t {
  initialization = 1,
  validation_split = 2,
  partition = 3,
  client_sampling = 4,
  attacker_choice = 5,
  sample_order = 6,
  dropout = 7,
  poison = 8,
  synthetic_data = 9,
  update_noise = 10,
  train_subset = 11,
  server_noise = 12,
  surrogate_columns = 13,
  reference_samples = 14,
  reference_dropout = 15,
};

/// Names a stream of 2^34 numbers. Different keys give independent streams: the fields fill the
/// Philox counter side by side, nothing is hashed.
struct RandomKey {
  std::uint64_t seed = 0;
  Purpose purpose{};
  std::uint32_t client = 0;
  std::uint32_t round = 0;  ///< below 2^24
  std::uint32_t step = 0;   ///< below 2^24
  std::uint8_t part = 0;    ///< e.g. the layer
};

using RandomBlock = r123::Philox4x32::ctr_type;

/// Numbers 4·index to 4·index + 3 of the stream. The macro lets CUDA kernels draw the same numbers.
R123_CUDA_DEVICE inline RandomBlock random_block(const RandomKey& key, std::uint32_t index) {
  const r123::Philox4x32::ctr_type counter = {
      {index, key.step << 8 | key.part, key.round << 8 | static_cast<std::uint32_t>(key.purpose),
       key.client}};
  const r123::Philox4x32::key_type seed = {
      {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)}};
  return r123::Philox4x32{}(counter, seed);
}

/// Reads a stream from its start.
class RandomStream {
 public:
  using result_type = std::uint32_t;
  explicit RandomStream(const RandomKey& key) : key_(key) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffffU; }
  result_type operator()() {
    if (used_ == 4) {
      block_ = random_block(key_, index_++);
      used_ = 0;
    }
    return block_[used_++];
  }

  /// In [0, 1), with 53 random bits.
  double uniform() {
    const std::uint64_t high = (*this)() >> 5;
    const std::uint64_t low = (*this)() >> 6;
    return static_cast<double>(high << 26 | low) * 0x1p-53;
  }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal (Box and Muller 1958), one number from two uniforms.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }
  /// In [0, count), each equally likely (Lemire 2019, rejection of the short interval).
  std::uint32_t below(std::uint32_t count) {
    const std::uint32_t threshold = (0U - count) % count;
    for (;;) {
      const std::uint64_t product = std::uint64_t{(*this)()} * count;
      if (static_cast<std::uint32_t>(product) >= threshold) {
        return static_cast<std::uint32_t>(product >> 32);
      }
    }
  }
  /// Fisher and Yates; every order is equally likely.
  template <class T>
  void shuffle(std::span<T> values) {
    for (std::size_t left = values.size(); left > 1; --left) {
      std::swap(values[left - 1], values[below(static_cast<std::uint32_t>(left))]);
    }
  }

 private:
  RandomKey key_;
  RandomBlock block_{};
  std::uint32_t index_ = 0;
  int used_ = 4;
};

}  // namespace redoubt
