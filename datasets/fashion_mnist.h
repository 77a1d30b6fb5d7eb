// Fashion-MNIST: Xiao, Rasul, Vollgraf 2017.
#pragma once

#include "datasets/dataset.h"

namespace redoubt {

struct FashionMnist {
  static constexpr const char* kName = "fashion-mnist";
  static constexpr const char* kDescription = "clothes, 60,000 + 10,000 of 28x28 gray";
  static constexpr Shape kShape = {1, 28, 28};
  static constexpr int kClasses = 10;
  static Dataset load(const DatasetSettings& settings, std::uint64_t seed);
};

}  // namespace redoubt
