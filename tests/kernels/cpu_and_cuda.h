// The same operation on the CPU and on a GPU, real or emulated; without one, tests are skipped.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "engine/buffer.h"
#include "tests/support/needs_gpu.h"

namespace redoubt::kernels {

using test::kGpu;

inline std::vector<float> random_floats(int seed, std::int64_t count, float low = -1,
                                        float high = 1) {
  std::mt19937 generator(static_cast<unsigned>(seed));
  std::uniform_real_distribution<float> in_range(low, high);
  std::vector<float> values(count);
  for (float& value : values) value = in_range(generator);
  return values;
}

inline double largest_magnitude(const std::vector<float>& values) {
  double most = 0;
  for (const float value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

/// Every value of `got` is within `tolerance` times the largest magnitude of `want`.
inline void expect_close(const std::vector<float>& got, const std::vector<float>& want,
                         double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  const double allowed = tolerance * largest_magnitude(want);
  double worst = 0;
  std::size_t place = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double distance = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!(distance <= worst)) {
      worst = distance;
      place = i;
    }
  }
  EXPECT_LE(worst, allowed) << "at " << place << ": got " << got[place] << ", want " << want[place];
}

/// The same operation on the CPU and on the GPU, from the same values.
struct Pair {
  Buffer<float> cpu;
  Buffer<float> cuda;
  explicit Pair(const std::vector<float>& values)
      : cpu(Device{}, std::span(values)), cuda(kGpu, std::span(values)) {}
  void compare(double tolerance) const { expect_close(cuda.download(), cpu.download(), tolerance); }
};

}  // namespace redoubt::kernels
