// The tensor cores' product of doubles (PTX: mma.m8n8k4.f64), which CUDA's headers give no
// function.
#pragma once

#include "cuda_emulator/kernel_side.h"

namespace cuda_emulator {

struct DoubleProduct {
  double* sums;
  double left;
  double right;
};

inline void finish_double_product(const Lanes& lanes) {
  const auto lane = [&](int i) { return static_cast<const DoubleProduct*>(lanes.data[i]); };
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 8; ++column) {
      double& sum = lane(row * 4 + column / 2)->sums[column % 2];
      for (int k = 0; k < 4; ++k) sum += lane(row * 4 + k)->left * lane(column * 4 + k)->right;
    }
  }
}

/// sums += left · right, of 8x4 and 4x8 doubles. Lane l holds left(l / 4, l % 4), right(l % 4, l /
/// 4) and sums(l / 4, l % 4 · 2 + i).
inline void add_product_8x8x4(double (&sums)[2], double left, double right,
                              Where where = Where::current()) {
  DoubleProduct own = {sums, left, right};
  warp_collective("add_product_8x8x4", 0xffffffffU, &own, finish_double_product, where);
}

}  // namespace cuda_emulator
