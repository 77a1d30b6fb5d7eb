// Stands in for CUDA's header of this name; of its products only the rounding is used (see
// cuda_emulator/instructions.h).
#pragma once

#include <bit>
#include <cstdint>

#include "cuda_emulator/kernel_side.h"

namespace nvcuda::wmma {

/// What CUDA rounds to before a TF32 product: 10 bits behind the point, ties away from zero.
inline float __float_to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000U) == 0x7f800000U) return value;
  return std::bit_cast<float>((bits + 0x1000U) & ~0x1fffU);
}

}  // namespace nvcuda::wmma
