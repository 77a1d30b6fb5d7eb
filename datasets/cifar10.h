// CIFAR-10: Krizhevsky 2009.
#pragma once

#include "datasets/dataset.h"

namespace redoubt {

struct Cifar10 {
  static constexpr const char* kName = "cifar10";
  static constexpr const char* kDescription = "objects, 50,000 + 10,000 of 32x32 color";
  static constexpr Shape kShape = {3, 32, 32};
  static constexpr int kClasses = 10;
  static Dataset load(const DatasetSettings& settings, std::uint64_t seed);
};

}  // namespace redoubt
