// CUDA's atomics, number conversions and arithmetic intrinsics.
#pragma once

#include <math.h>

#include <bit>
#include <cstdint>
#include <type_traits>

#include "cuda_emulator/language.h"

// ---- Atomics: one emulated thread runs at a time ------------------------------------------------

namespace cuda_emulator {
template <class T>
constexpr bool is_atomic_integer =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> ||
    std::is_same_v<T, unsigned long long> || std::is_same_v<T, long long>;

/// Tells races.h of an atomic instruction.
void note_atomic(const void* start, std::size_t bytes, const void* place);

// Else its parts would be watched one by one.
template <class T, class Change>
__attribute__((no_sanitize("thread"))) T change(T* address, const Change& change_it) {
  note_atomic(address, sizeof(T), __builtin_return_address(0));
  const T old = *address;
  *address = static_cast<T>(change_it(old));
  return old;
}
}  // namespace cuda_emulator

template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned> ||
                std::is_same_v<T, unsigned long long> || std::is_same_v<T, float> ||
                std::is_same_v<T, double>);
  return cuda_emulator::change(address, [&](T old) { return old + value; });
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  static_assert(cuda_emulator::is_atomic_integer<T> || std::is_same_v<T, float>);
  return cuda_emulator::change(address, [&](T) { return value; });
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  static_assert(cuda_emulator::is_atomic_integer<T> || std::is_same_v<T, unsigned short>);
  return cuda_emulator::change(address, [&](T old) { return old == compare ? value : old; });
}

#define REDOUBT_EMULATOR_ATOMIC(name, expression)                                   \
  template <class T>                                                                \
  T name(T* address, std::type_identity_t<T> value) {                               \
    static_assert(cuda_emulator::is_atomic_integer<T>, "CUDA has it for integers"); \
    return cuda_emulator::change(address, [&](T old) { return expression; });       \
  }
REDOUBT_EMULATOR_ATOMIC(atomicSub, old - value)
REDOUBT_EMULATOR_ATOMIC(atomicMin, old < value ? old : value)
REDOUBT_EMULATOR_ATOMIC(atomicMax, old > value ? old : value)
REDOUBT_EMULATOR_ATOMIC(atomicAnd, old& value)
REDOUBT_EMULATOR_ATOMIC(atomicOr, old | value)
REDOUBT_EMULATOR_ATOMIC(atomicXor, old ^ value)
#undef REDOUBT_EMULATOR_ATOMIC

// ---- Bits ---------------------------------------------------------------------------------------

inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __int_as_float(int value) { return std::bit_cast<float>(value); }
inline float __uint_as_float(unsigned value) { return std::bit_cast<float>(value); }
inline long long __double_as_longlong(double value) { return std::bit_cast<long long>(value); }
inline double __longlong_as_double(long long value) { return std::bit_cast<double>(value); }
inline int __popc(unsigned value) { return std::popcount(value); }
inline int __popcll(unsigned long long value) { return std::popcount(value); }
inline int __clz(int value) { return std::countl_zero(static_cast<unsigned>(value)); }
inline int __clzll(long long value) {
  return std::countl_zero(static_cast<unsigned long long>(value));
}
inline int __ffs(int value) { return __builtin_ffs(value); }
inline int __ffsll(long long value) { return __builtin_ffsll(value); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}

// ---- Floating point: CUDA's quick forms are allowed to be as exact as ours ----------------------

inline float __expf(float value) { return expf(value); }
inline float __logf(float value) { return logf(value); }
inline float __powf(float base, float exponent) { return powf(base, exponent); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float value) { return 1 / sqrtf(value); }
inline float __frsqrt_rn(float value) { return 1 / sqrtf(value); }
inline float __frcp_rn(float value) { return 1 / value; }
inline float __fsqrt_rn(float value) { return sqrtf(value); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline float __saturatef(float value) { return value > 0 ? (value < 1 ? value : 1) : 0; }
inline float __int2float_rn(int value) { return static_cast<float>(value); }
inline int __float2int_rn(float value) { return static_cast<int>(nearbyintf(value)); }
inline int __float2int_rd(float value) { return static_cast<int>(floorf(value)); }
inline int __float2int_rz(float value) { return static_cast<int>(value); }

#define REDOUBT_EMULATOR_MIN_MAX(T)                   \
  constexpr T min(T a, T b) { return b < a ? b : a; } \
  constexpr T max(T a, T b) { return a < b ? b : a; }
REDOUBT_EMULATOR_MIN_MAX(int)
REDOUBT_EMULATOR_MIN_MAX(unsigned)
REDOUBT_EMULATOR_MIN_MAX(long)
REDOUBT_EMULATOR_MIN_MAX(unsigned long)
REDOUBT_EMULATOR_MIN_MAX(long long)
REDOUBT_EMULATOR_MIN_MAX(unsigned long long)
#undef REDOUBT_EMULATOR_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// ---- Loads and stores with a cache hint ---------------------------------------------------------

#define REDOUBT_EMULATOR_LOAD(name) \
  template <class T>                \
  T name(const T* address) {        \
    return *address;                \
  }
REDOUBT_EMULATOR_LOAD(__ldg)
REDOUBT_EMULATOR_LOAD(__ldcg)
REDOUBT_EMULATOR_LOAD(__ldca)
REDOUBT_EMULATOR_LOAD(__ldcs)
REDOUBT_EMULATOR_LOAD(__ldcv)
#undef REDOUBT_EMULATOR_LOAD
#define REDOUBT_EMULATOR_STORE(name)                     \
  template <class T>                                     \
  void name(T* address, std::type_identity_t<T> value) { \
    *address = value;                                    \
  }
REDOUBT_EMULATOR_STORE(__stcg)
REDOUBT_EMULATOR_STORE(__stcs)
REDOUBT_EMULATOR_STORE(__stwb)
REDOUBT_EMULATOR_STORE(__stwt)
#undef REDOUBT_EMULATOR_STORE
