// Plain views on memory: a pointer and a pitch. Kernels take these and nothing of the engine.
//
// Where memory lies: everything an operation reaches through a pointer or a Replicas view is in the
// context's device memory, lists of samples, keys, counts and totals included, so that a step needs
// no host. What it takes or gives as std::span or by value is in the host's.
#pragma once

#include <cstdint>
#include <type_traits>

/// A function that both sides run.
#ifdef __CUDACC__
#define REDOUBT_HOST_DEVICE __host__ __device__
#else
#define REDOUBT_HOST_DEVICE
#endif

namespace redoubt::kernels {

/// One block of T for each of R replicas; replica r's block starts at data + r * pitch (in
/// elements). Pitch 0 means that all replicas share one block. A default-made view stands for "not
/// given".
template <class T>
struct Replicas {
  T* data = nullptr;
  std::int64_t pitch = 0;

  constexpr Replicas() = default;
  constexpr Replicas(T* start, std::int64_t elements) : data(start), pitch(elements) {}
  /// A view to write through is also a view to read through.
  template <class U>
  requires(std::is_same_v<T, const U>) constexpr Replicas(Replicas<U> other)
      : data(other.data), pitch(other.pitch) {}

  constexpr T* operator[](int replica) const { return data + replica * pitch; }
  constexpr explicit operator bool() const { return data != nullptr; }
  /// The same replicas, each block seen from `elements` further on.
  constexpr Replicas offset(std::int64_t elements) const { return {data + elements, pitch}; }
  bool operator==(const Replicas&) const = default;
  /// The view that starts at replica `first`.
  constexpr Replicas from(int first) const { return {data + first * pitch, pitch}; }
};

/// An activation [R][C][S][N]: S = height * width positions, N images innermost and contiguous.
struct ActivationShape {
  int replicas = 1;
  int channels = 1;
  int positions = 1;
  int batch = 1;

  /// Floats of one channel of one replica.
  constexpr std::int64_t channel_size() const { return std::int64_t{positions} * batch; }
  /// Floats of one replica.
  constexpr std::int64_t size() const { return channels * channel_size(); }
};

}  // namespace redoubt::kernels
