// Stores of whole packs to global memory. Included by .cu files only.
#pragma once

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

/// What store() does, to global memory and surely in one instruction: of a plain assignment nvcc
/// makes four stores of 4 bytes in some kernels, each of which reaches the L2 cache by itself.
template <int kWidth>
__device__ inline void store_global(float* to, const Pack<float, kWidth>& values) {
#ifndef REDOUBT_CUDA_EMULATED
  if constexpr (kWidth == 4) {
    const float4 all = {values.at[0], values.at[1], values.at[2], values.at[3]};
    return __stwb(reinterpret_cast<float4*>(to), all);
  }
  if constexpr (kWidth == 2) {
    return __stwb(reinterpret_cast<float2*>(to), float2{values.at[0], values.at[1]});
  }
#endif
  store(to, values);
}

}  // namespace redoubt::kernels::cuda
