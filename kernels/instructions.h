// Instructions of the GPU that CUDA C++ has no portable name for: products of a warp on tensor
// cores with a specified layout, and copies into shared memory that go on beside the arithmetic.
// Included by .cu files only.
#pragma once

#include <cuda_bf16.h>

#include <cmath>
#include <cstdint>

#include "kernels/launch.h"
#ifdef REDOUBT_CUDA_EMULATED
#include <cuda_emulator/instructions.h>
#endif

namespace redoubt::kernels::cuda {

// ---- tensor cores (PTX ISA, "mma.sync.aligned") -------------------------------------------------
//
// With g = lane / 4 and t = lane % 4, a lane holds of the sums [16][8] rows g and g + 8 at columns
// 2t and 2t + 1: {[g][2t], [g][2t+1], [g+8][2t], [g+8][2t+1]}. Of the rest, see each.

/// sums += A [16][8] · B [8][8]; a = {[g][t], [g+8][t], [g][t+4], [g+8][t+4]}, b = {[t][g],
/// [t+4][g]}, as bits of floats of which the cores see 10 bits behind the point.
__device__ inline void multiply_add_tf32(float (&sums)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2]) {
#ifdef REDOUBT_CUDA_EMULATED
  cuda_emulator::multiply_add<8>(sums, a, b);
#else
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// sums += A [16][16] · B [16][8] of pairs of bf16, the first in the low half: a = {[g][2t],
/// [g+8][2t], [g][2t+8], [g+8][2t+8]} and their right neighbours, b = {[2t][g], [2t+8][g]} and
/// those below.
__device__ inline void multiply_add_bf16(float (&sums)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2]) {
#ifdef REDOUBT_CUDA_EMULATED
  cuda_emulator::multiply_add<16>(sums, a, b);
#else
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// sums += A [8][4] · B [4][8] of doubles; a = [g][t], b = [t][g], sums = {[g][2t], [g][2t+1]}.
__device__ inline void multiply_add_double(double (&sums)[2], double a, double b) {
#ifdef REDOUBT_CUDA_EMULATED
  cuda_emulator::multiply_add_double(sums, a, b);
#else
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
               : "+d"(sums[0]), "+d"(sums[1])
               : "d"(a), "d"(b));
#endif
}

/// The bits of a float that the cores see as it is rounded to TF32, ties away from zero: half of
/// the last place that they see is added, and they cut the rest. Infinity and NaN stay what they
/// are; subnormal numbers are cut.
__device__ inline std::uint32_t tf32_bits(float value) {
  const float power = __uint_as_float(__float_as_uint(value) & 0xff800000U);
  return __float_as_uint(fmaf(power, 0x1p-11F, value));
}

/// Two floats rounded to bf16, the first in the low half.
__device__ inline std::uint32_t bf16_bits(float first, float second) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(first, second);
  return std::uint32_t{__bfloat16_as_ushort(both.x)} | std::uint32_t{__bfloat16_as_ushort(both.y)}
                                                           << 16;
}

// ---- copies beside the arithmetic ---------------------------------------------------------------

/// Asks for `kBytes` (4, 8 or 16, aligned so) from global to shared memory; zeros, without looking
/// at `global`, if not `inside`. They are there after wait_for_copies(), for other threads of the
/// block after a barrier behind that.
template <int kBytes>
__device__ inline void copy_async(void* shared, const void* global, bool inside) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
#ifdef REDOUBT_CUDA_EMULATED
  cuda_emulator::copy_async(shared, global, kBytes, inside);
#else
  const auto to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = inside ? kBytes : 0;
  if constexpr (kBytes == 16) {  // past the L1 cache: nobody in this block reads them again
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(to), "l"(global), "r"(bytes),
                 "n"(kBytes)
                 : "memory");
  }
#endif
}

/// Ends a group of the copies that this thread has asked for.
__device__ inline void end_copy_group() {
#ifdef REDOUBT_CUDA_EMULATED
  cuda_emulator::end_copy_group();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most the last `kGroups` groups of this thread are under way.
template <int kGroups>
__device__ inline void wait_for_copies() {
#ifdef REDOUBT_CUDA_EMULATED
  cuda_emulator::wait_for_copies(kGroups);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
#endif
}

}  // namespace redoubt::kernels::cuda
