// CUDA's keywords and vector types in plain C++.
#pragma once

#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __managed__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

// One block runs at a time, so a block's static shared memory is a static variable. The tag becomes
// part of its symbol's name, by which shared_memory.cpp finds all of them.
#define __shared__ static __attribute__((abi_tag("redoubt_shared")))

#define REDOUBT_EMULATOR_VECTORS(T, name, bytes2, bytes4)               \
  struct name##1 {                                                      \
    T x;                                                                \
  };                                                                    \
  struct alignas(bytes2) name##2 {                                      \
    T x, y;                                                             \
  };                                                                    \
  struct name##3 {                                                      \
    T x, y, z;                                                          \
  };                                                                    \
  struct alignas(bytes4) name##4 {                                      \
    T x, y, z, w;                                                       \
  };                                                                    \
  constexpr name##1 make_##name##1(T x) { return {x}; }                 \
  constexpr name##2 make_##name##2(T x, T y) { return {x, y}; }         \
  constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
  constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

REDOUBT_EMULATOR_VECTORS(signed char, char, 2, 4)
REDOUBT_EMULATOR_VECTORS(unsigned char, uchar, 2, 4)
REDOUBT_EMULATOR_VECTORS(short, short, 4, 8)
REDOUBT_EMULATOR_VECTORS(unsigned short, ushort, 4, 8)
REDOUBT_EMULATOR_VECTORS(int, int, 8, 16)
REDOUBT_EMULATOR_VECTORS(unsigned, uint, 8, 16)
REDOUBT_EMULATOR_VECTORS(long long, longlong, 16, 16)
REDOUBT_EMULATOR_VECTORS(unsigned long long, ulonglong, 16, 16)
REDOUBT_EMULATOR_VECTORS(float, float, 8, 16)
REDOUBT_EMULATOR_VECTORS(double, double, 16, 16)
#undef REDOUBT_EMULATOR_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_extent = 1, unsigned y_extent = 1, unsigned z_extent = 1)
      : x(x_extent), y(y_extent), z(z_extent) {}
  constexpr dim3(uint3 extent) : x(extent.x), y(extent.y), z(extent.z) {}
};
