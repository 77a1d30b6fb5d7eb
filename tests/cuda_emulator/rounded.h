// What a product in TF32 or bf16 sees of a number, by arithmetic on its value: the emulator and the
// kernels go by its bits.
#pragma once

#include <cmath>

namespace redoubt::test {

/// To `bits` bits behind the point: TF32's 10 with ties away from zero, bf16's 7 with ties to even.
/// 23: as it is.
inline float rounded(float value, int bits) {
  if (value == 0 || bits == 23) return value;
  int exponent = 0;
  const double scale = std::ldexp(1.0, bits + 1);
  const double mantissa = std::frexp(static_cast<double>(value), &exponent) * scale;
  const double whole = bits == 7 ? std::nearbyint(mantissa) : std::round(mantissa);
  return static_cast<float>(std::ldexp(whole / scale, exponent));
}

}  // namespace redoubt::test
