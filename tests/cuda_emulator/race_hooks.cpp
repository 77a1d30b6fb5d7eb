// What the compiler calls before each access under -fsanitize=thread, where that sanitizer's own
// library is not linked.
#include "tests/cuda_emulator/races.h"

#if !defined(__SANITIZE_THREAD__)

namespace {

using cuda_emulator::Races;

void note(Races::Kind kind, const void* start, std::size_t bytes, const void* place) {
  if (cuda_emulator::t_in_kernel) cuda_emulator::races().note(kind, start, bytes, place);
}

}  // namespace

#define REDOUBT_WATCH(name, kind, bytes)                                \
  void __tsan_##name(void* start) {                                     \
    note(Races::Kind::kind, start, bytes, __builtin_return_address(0)); \
  }
#define REDOUBT_WATCH_BOTH(bytes)                   \
  REDOUBT_WATCH(read##bytes, read, bytes)           \
  REDOUBT_WATCH(write##bytes, write, bytes)         \
  REDOUBT_WATCH(unaligned_read##bytes, read, bytes) \
  REDOUBT_WATCH(unaligned_write##bytes, write, bytes)

extern "C" {

void __tsan_init() { cuda_emulator::races().watch(); }
void __tsan_func_entry(void* /*caller*/) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void** /*place*/, void* /*value*/) {}

REDOUBT_WATCH_BOTH(1)
REDOUBT_WATCH_BOTH(2)
REDOUBT_WATCH_BOTH(4)
REDOUBT_WATCH_BOTH(8)
REDOUBT_WATCH_BOTH(16)

void __tsan_read_range(void* start, unsigned long bytes) {
  note(Races::Kind::read, start, bytes, __builtin_return_address(0));
}
void __tsan_write_range(void* start, unsigned long bytes) {
  note(Races::Kind::write, start, bytes, __builtin_return_address(0));
}

// Host code's std::atomic, done in the strictest order; kernels have none.
#define REDOUBT_CHANGE(change, bits, T)                            \
  T __tsan_atomic##bits##_##change(volatile T* at, T value, int) { \
    return __atomic_##change(at, value, __ATOMIC_SEQ_CST);         \
  }
#define REDOUBT_ATOMIC(bits, T)                                                                \
  T __tsan_atomic##bits##_load(const volatile T* at, int) {                                    \
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                              \
  }                                                                                            \
  void __tsan_atomic##bits##_store(volatile T* at, T value, int) {                             \
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                             \
  }                                                                                            \
  T __tsan_atomic##bits##_exchange(volatile T* at, T value, int) {                             \
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                                   \
  }                                                                                            \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* at, T* expected, T value, int, \
                                                    int) {                                     \
    return __atomic_compare_exchange_n(at, expected, value, false, __ATOMIC_SEQ_CST,           \
                                       __ATOMIC_SEQ_CST)                                       \
               ? 1                                                                             \
               : 0;                                                                            \
  }                                                                                            \
  REDOUBT_CHANGE(fetch_add, bits, T)                                                           \
  REDOUBT_CHANGE(fetch_sub, bits, T)                                                           \
  REDOUBT_CHANGE(fetch_and, bits, T)                                                           \
  REDOUBT_CHANGE(fetch_or, bits, T)
REDOUBT_ATOMIC(8, unsigned char)
REDOUBT_ATOMIC(32, unsigned)
REDOUBT_ATOMIC(64, unsigned long)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

}  // extern "C"

#endif
