// What a kernel sees beside arithmetic: indices, barriers, warp collectives, shared memory; and the
// launch itself.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <source_location>
#include <tuple>
#include <type_traits>

#include "cuda_emulator/language.h"
#include "cuda_emulator/runtime_api.h"

// One emulated thread runs at a time; these are its indices.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
constexpr int warpSize = 32;

namespace cuda_emulator {

using Where = std::source_location;

/// What the lanes of a warp brought to a collective: a pointer to each one's own data, null for
/// those who take no part.
struct Lanes {
  void* data[32] = {};
};
/// Called once, when all lanes in the mask have come, to work out every lane's answer.
using Finish = void (*)(const Lanes& lanes);

/// Waits for all threads of the block; returns for how many `predicate` held.
int block_barrier(const char* name, bool predicate, const Where& where);
/// Waits for the lanes in `mask`, then has finish() called. All must call the same one at the same
/// place.
void warp_collective(const char* name, unsigned mask, void* data, Finish finish,
                     const Where& where);
/// This thread's place in its warp.
int lane();
/// The block's dynamic shared memory.
void* dynamic_shared();
[[noreturn]] void trap(const char* what);

/// One kernel launch, ready to run any thread of it.
struct Launch {
  const char* name;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
  const void* kernel;
  std::function<void()> thread;
};
/// Puts a launch on a stream; a wrong shape becomes cudaGetLastError().
void enqueue(Launch launch, cudaStream_t stream);
/// Whether a kernel may follow this pointer.
bool is_on_device(const void* pointer);
void report_host_pointer(const char* kernel, int argument);

/// A pointer, or a view with a pointer `data`, must lead to device memory.
template <class T>
bool leads_to_device(const T& argument) {
  if constexpr (std::is_pointer_v<T>) {
    return argument == nullptr || is_on_device(reinterpret_cast<const void*>(argument));
  } else if constexpr (requires { argument.data; }) {
    return leads_to_device(argument.data);
  } else {
    return true;
  }
}

template <class... Parameters>
void launch(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
            void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  int number = 0;
  int on_host = 0;
  ((++number, on_host = on_host == 0 && !leads_to_device(arguments) ? number : on_host), ...);
  if (on_host != 0) return report_host_pointer(name, on_host);
  enqueue({.name = name,
           .grid = grid,
           .block = block,
           .shared_bytes = shared_bytes,
           .kernel = reinterpret_cast<const void*>(kernel),
           .thread = [kernel, all = std::make_tuple(arguments...)] { std::apply(kernel, all); }},
          stream);
}

/// A shuffle: the value a lane offers, the lane it wants to hear, and what it heard.
template <class T>
struct Exchange {
  T value;
  int source;
  T heard;
};

template <class T>
void finish_exchange(const Lanes& lanes) {
  for (void* data : lanes.data) {
    if (data == nullptr) continue;
    auto& own = *static_cast<Exchange<T>*>(data);
    const void* other = lanes.data[own.source];
    // A lane that takes no part offers nothing: what is heard from it is undefined.
    if (other != nullptr) {
      own.heard = static_cast<const Exchange<T>*>(other)->value;
    } else {
      std::memset(static_cast<void*>(&own.heard), 0xff, sizeof(T));
    }
  }
}

template <class T>
T exchange(const char* name, unsigned mask, T value, int source, const Where& where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8, "a shuffle moves up to 8 bytes");
  Exchange<T> own = {value, source, value};
  warp_collective(name, mask, &own, finish_exchange<T>, where);
  return own.heard;
}

/// Votes and whole-warp reductions: every lane hears reduce(all values).
template <class T>
struct Ballot {
  T value;
  std::uint64_t answer;
};

inline void finish_ballot(const Lanes& lanes) {
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if (lanes.data[i] != nullptr && static_cast<Ballot<bool>*>(lanes.data[i])->value) {
      bits |= std::uint64_t{1} << i;
    }
  }
  for (void* data : lanes.data) {
    if (data != nullptr) static_cast<Ballot<bool>*>(data)->answer = bits;
  }
}

inline unsigned ballot(const char* name, unsigned mask, bool value, const Where& where) {
  Ballot<bool> own = {value, 0};
  warp_collective(name, mask, &own, finish_ballot, where);
  return static_cast<unsigned>(own.answer);
}

template <class T>
void finish_match(const Lanes& lanes) {
  for (void* data : lanes.data) {
    if (data == nullptr) continue;
    auto& own = *static_cast<Ballot<T>*>(data);
    own.answer = 0;
    for (unsigned i = 0; i < 32; ++i) {
      const void* other = lanes.data[i];
      if (other != nullptr && static_cast<const Ballot<T>*>(other)->value == own.value) {
        own.answer |= std::uint64_t{1} << i;
      }
    }
  }
}

template <class T, class Combine>
void finish_reduce(const Lanes& lanes) {
  bool first = true;
  T total{};
  for (void* data : lanes.data) {
    if (data == nullptr) continue;
    const T value = static_cast<Exchange<T>*>(data)->value;
    total = first ? value : Combine()(total, value);
    first = false;
  }
  for (void* data : lanes.data) {
    if (data != nullptr) static_cast<Exchange<T>*>(data)->heard = total;
  }
}

template <class T, class Combine>
T reduce(const char* name, unsigned mask, T value, const Where& where) {
  Exchange<T> own = {value, 0, value};
  warp_collective(name, mask, &own, finish_reduce<T, Combine>, where);
  return own.heard;
}

struct Smaller {
  template <class T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct Larger {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

inline void finish_nothing(const Lanes& /*lanes*/) {}

/// The lane `offset` from the first of this lane's group of `width`, if it is in the group.
inline int lane_in_group(int wanted, int width, bool valid) {
  const int first = lane() / width * width;
  return valid ? first + wanted : lane();
}

}  // namespace cuda_emulator

// ---- The names that kernels use -----------------------------------------------------------------

inline void __syncthreads(cuda_emulator::Where where = cuda_emulator::Where::current()) {
  cuda_emulator::block_barrier("__syncthreads", false, where);
}
inline int __syncthreads_count(int predicate,
                               cuda_emulator::Where where = cuda_emulator::Where::current()) {
  return cuda_emulator::block_barrier("__syncthreads_count", predicate != 0, where);
}
inline int __syncthreads_or(int predicate,
                            cuda_emulator::Where where = cuda_emulator::Where::current()) {
  return cuda_emulator::block_barrier("__syncthreads_or", predicate != 0, where) > 0 ? 1 : 0;
}
inline int __syncthreads_and(int predicate,
                             cuda_emulator::Where where = cuda_emulator::Where::current()) {
  return cuda_emulator::block_barrier("__syncthreads_and", predicate == 0, where) == 0 ? 1 : 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffU,
                       cuda_emulator::Where where = cuda_emulator::Where::current()) {
  char nothing = 0;
  cuda_emulator::warp_collective("__syncwarp", mask, &nothing, cuda_emulator::finish_nothing,
                                 where);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              cuda_emulator::Where where = cuda_emulator::Where::current()) {
  const int wanted = static_cast<int>(static_cast<unsigned>(source) % static_cast<unsigned>(width));
  return cuda_emulator::exchange("__shfl_sync", mask, value,
                                 cuda_emulator::lane_in_group(wanted, width, true), where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 cuda_emulator::Where where = cuda_emulator::Where::current()) {
  const int wanted = cuda_emulator::lane() % width - static_cast<int>(delta);
  return cuda_emulator::exchange("__shfl_up_sync", mask, value,
                                 cuda_emulator::lane_in_group(wanted, width, wanted >= 0), where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   cuda_emulator::Where where = cuda_emulator::Where::current()) {
  const int wanted = cuda_emulator::lane() % width + static_cast<int>(delta);
  return cuda_emulator::exchange("__shfl_down_sync", mask, value,
                                 cuda_emulator::lane_in_group(wanted, width, wanted < width),
                                 where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize,
                  cuda_emulator::Where where = cuda_emulator::Where::current()) {
  // CUDA lets a lane hear earlier groups, but not later ones.
  const int wanted = cuda_emulator::lane() ^ bits;
  const int end = cuda_emulator::lane() / width * width + width;
  return cuda_emulator::exchange("__shfl_xor_sync", mask, value,
                                 wanted < end ? wanted : cuda_emulator::lane(), where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              cuda_emulator::Where where = cuda_emulator::Where::current()) {
  return cuda_emulator::ballot("__ballot_sync", mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate,
                      cuda_emulator::Where where = cuda_emulator::Where::current()) {
  return cuda_emulator::ballot("__any_sync", mask, predicate != 0, where) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      cuda_emulator::Where where = cuda_emulator::Where::current()) {
  return cuda_emulator::ballot("__all_sync", mask, predicate == 0, where) == 0 ? 1 : 0;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value,
                          cuda_emulator::Where where = cuda_emulator::Where::current()) {
  cuda_emulator::Ballot<T> own = {value, 0};
  cuda_emulator::warp_collective("__match_any_sync", mask, &own, cuda_emulator::finish_match<T>,
                                 where);
  return static_cast<unsigned>(own.answer);
}

#define REDOUBT_EMULATOR_REDUCE(name, Combine)                                                   \
  template <class T>                                                                             \
  T name(unsigned mask, T value, cuda_emulator::Where where = cuda_emulator::Where::current()) { \
    static_assert(std::is_integral_v<T> && sizeof(T) == 4, "CUDA has it for int and unsigned");  \
    return cuda_emulator::reduce<T, Combine>(#name, mask, value, where);                         \
  }
REDOUBT_EMULATOR_REDUCE(__reduce_add_sync, std::plus<>)
REDOUBT_EMULATOR_REDUCE(__reduce_min_sync, cuda_emulator::Smaller)
REDOUBT_EMULATOR_REDUCE(__reduce_max_sync, cuda_emulator::Larger)
REDOUBT_EMULATOR_REDUCE(__reduce_and_sync, std::bit_and<>)
REDOUBT_EMULATOR_REDUCE(__reduce_or_sync, std::bit_or<>)
REDOUBT_EMULATOR_REDUCE(__reduce_xor_sync, std::bit_xor<>)
#undef REDOUBT_EMULATOR_REDUCE

// One emulated thread runs at a time and sees all that others wrote.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
[[noreturn]] inline void __trap() { cuda_emulator::trap("__trap"); }
