// For test programs of the CUDA side: without a GPU, real or emulated, their tests are skipped.
#pragma once

#include <gtest/gtest.h>

#include "kernels/device.h"

namespace redoubt::test {

constexpr Device kGpu = {.kind = Device::Kind::cuda, .index = 0};

class NeedsGpu : public testing::Environment {
 public:
  void SetUp() override {
    if (available_devices().size() < 2) GTEST_SKIP() << "no GPU";
  }
};
inline const auto* const kNeedsGpu = testing::AddGlobalTestEnvironment(new NeedsGpu);

}  // namespace redoubt::test
