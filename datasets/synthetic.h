// Data sets made on the spot, for tests and demos: ten classes of bright strokes on dark, textured
// ground.
#pragma once

#include <cstdint>

#include "datasets/dataset.h"

namespace redoubt {

struct SyntheticGray {
  static constexpr const char* kName = "synthetic-gray";
  static constexpr const char* kDescription = "made on the spot, 10,000 + 2,000 of 28x28 gray";
  static constexpr Shape kShape = {1, 28, 28};
  static constexpr int kClasses = 10;
  static Dataset load(const DatasetSettings& settings, std::uint64_t seed);
};

struct SyntheticColor {
  static constexpr const char* kName = "synthetic-color";
  static constexpr const char* kDescription = "made on the spot, 10,000 + 2,000 of 32x32 color";
  static constexpr Shape kShape = {3, 32, 32};
  static constexpr int kClasses = 10;
  static Dataset load(const DatasetSettings& settings, std::uint64_t seed);
};

/// `train_count` and `test_count` images of shape 1x28x28 or 3x32x32. A class is a figure of three
/// strokes, shifted, turned, scaled and dimmed at random and laid over noise. Image i is drawn from
/// (seed, synthetic_data, i), so a larger set begins with the smaller one.
Dataset make_synthetic(const std::string& name, const Shape& shape, int train_count, int test_count,
                       std::uint64_t seed);

}  // namespace redoubt
