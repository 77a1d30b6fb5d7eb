// For the emulator's own tests: an array in device memory.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "engine/buffer.h"
#include "kernels/launch.h"
#include "tests/cuda_emulator/emulator.h"
#include "tests/support/needs_gpu.h"

namespace redoubt::test {

/// The orders that a test tries.
constexpr std::initializer_list<std::uint64_t> kSeeds = {0, 1, 2, 3, 4, 5, 6, 7};

/// Sets the seed back when a test ends.
class KeepSeed {
 public:
  KeepSeed() : seed_(cuda_emulator::seed()) {}
  ~KeepSeed() { cuda_emulator::set_seed(seed_); }
  KeepSeed(const KeepSeed&) = delete;
  KeepSeed& operator=(const KeepSeed&) = delete;

 private:
  std::uint64_t seed_;
};

template <class T>
Buffer<T> on_gpu(const std::vector<T>& values) {
  return Buffer<T>(kGpu, std::span<const T>(values));
}

/// What waiting for the GPU throws, or "". The GPU works on afterwards.
inline std::string failure_of(Context& context) {
  try {
    context.synchronize();
  } catch (const std::exception& error) {
    static_cast<void>(cudaGetLastError());
    return error.what();
  }
  return {};
}

}  // namespace redoubt::test
