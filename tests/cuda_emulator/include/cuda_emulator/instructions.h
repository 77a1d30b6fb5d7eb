// What kernels/instructions.h writes in PTX.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "cuda_emulator/kernel_side.h"

namespace cuda_emulator {

/// What the copy brings is there when the thread waits for it, no sooner.
void copy_async(void* shared, const void* global, std::size_t bytes, bool inside);
void end_copy_group();
void wait_for_copies(std::size_t groups);

/// TF32: 10 bits behind the point, ties away from zero; what the emulated libraries do to their
/// operands.
inline float rounded_to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000U) == 0x7f800000U) return value;
  return std::bit_cast<float>((bits + 0x1000U) & ~0x1fffU);
}

/// A lane's registers of a product [16][k] · [k][8]: k = 8 of TF32, or k = 16 of bf16 in pairs.
struct Registers {
  float* sums;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

/// The number that a register holds for the inner index k. The cores see 10 bits behind the point
/// of TF32, whatever the others say.
template <int kInner>
float number_at(const std::uint32_t* registers, int first, int stride, int k) {
  if constexpr (kInner == 8) {
    return std::bit_cast<float>(registers[first + stride * (k / 4)] & ~0x1fffU);
  } else {
    const std::uint32_t pair = registers[first + stride * (k / 8)];
    return std::bit_cast<float>(k % 2 == 0 ? pair << 16 : pair & 0xffff0000U);
  }
}

template <int kInner>
void finish_product(const Lanes& lanes) {
  const auto of = [&](int lane) { return *static_cast<const Registers*>(lanes.data[lane]); };
  // Which of the four lanes of a row of A, or column of B, holds k.
  const auto lane_of = [](int k) { return kInner == 8 ? k % 4 : k % 8 / 2; };
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float& sum = of(row % 8 * 4 + column / 2).sums[row / 8 * 2 + column % 2];
      for (int k = 0; k < kInner; ++k) {
        sum += number_at<kInner>(of(row % 8 * 4 + lane_of(k)).a, row / 8, 2, k) *
               number_at<kInner>(of(column * 4 + lane_of(k)).b, 0, 1, k);
      }
    }
  }
}

template <int kInner>
void multiply_add(float (&sums)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                  Where where = Where::current()) {
  Registers own = {sums, a, b};
  warp_collective("mma.sync", 0xffffffffU, &own, finish_product<kInner>, where);
}

/// A lane's part of a product [8][4] · [4][8] of doubles.
struct DoubleProduct {
  double* sums;
  double a;
  double b;
};

inline void finish_double_product(const Lanes& lanes) {
  const auto lane = [&](int i) { return static_cast<const DoubleProduct*>(lanes.data[i]); };
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 8; ++column) {
      double& sum = lane(row * 4 + column / 2)->sums[column % 2];
      for (int k = 0; k < 4; ++k) sum += lane(row * 4 + k)->a * lane(column * 4 + k)->b;
    }
  }
}

inline void multiply_add_double(double (&sums)[2], double a, double b,
                                Where where = Where::current()) {
  DoubleProduct own = {sums, a, b};
  warp_collective("mma.sync", 0xffffffffU, &own, finish_double_product, where);
}

}  // namespace cuda_emulator
