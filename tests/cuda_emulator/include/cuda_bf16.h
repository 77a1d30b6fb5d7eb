// Stands in for CUDA's header of this name: bfloat16, the upper half of a float.
#pragma once

#include <bit>
#include <cstdint>

#include "cuda_emulator/language.h"

struct __nv_bfloat16_raw {
  unsigned short x;
};

/// Rounded to nearest, ties to even.
constexpr unsigned short redoubt_emulator_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return 0x7fff;  // NaN
  return static_cast<unsigned short>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

struct alignas(2) __nv_bfloat16 {
  unsigned short x;

  __nv_bfloat16() = default;
  constexpr __nv_bfloat16(float value) : x(redoubt_emulator_bfloat16(value)) {}
  constexpr operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
  }
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

inline __nv_bfloat16 __float2bfloat16(float value) { return {value}; }
inline __nv_bfloat16 __float2bfloat16_rn(float value) { return {value}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) { return value.x; }
inline float __bfloat162float(__nv_bfloat16 value) { return value; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {x, y}; }
inline float2 __bfloat1622float2(__nv_bfloat162 values) { return {values.x, values.y}; }
