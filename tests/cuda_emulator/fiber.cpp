#include "tests/cuda_emulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

// void redoubt_emulator_switch(void** save_stack_pointer, void* stack_pointer): pushes the
// registers that a call preserves, changes stacks, pops the other's.
extern "C" void redoubt_emulator_switch(void** save_stack_pointer, void* stack_pointer);

#if defined(__x86_64__)
asm(R"(
.text
.globl redoubt_emulator_switch
.hidden redoubt_emulator_switch
.type redoubt_emulator_switch, @function
redoubt_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size redoubt_emulator_switch, .-redoubt_emulator_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl redoubt_emulator_switch
.hidden redoubt_emulator_switch
.type redoubt_emulator_switch, @function
redoubt_emulator_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size redoubt_emulator_switch, .-redoubt_emulator_switch
)");
#else
#error "The emulator's fibers know x86-64 and AArch64"
#endif

namespace cuda_emulator {

namespace {

constexpr std::size_t kPage = 4096;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStack = 256 * 1024;  // sanitizers make frames larger
#else
constexpr std::size_t kStack = 64 * 1024;
#endif

/// The fiber that a switch goes to, for start(), and the one it came from, whose stack ASan tells.
Fiber* g_to = nullptr;
Fiber* g_from = nullptr;

}  // namespace

Fiber::Fiber(void (*body)()) : body_(body) {
  void* memory = mmap(nullptr, kPage + kStack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack_ = static_cast<char*>(memory);
  mprotect(stack_, kPage, PROT_NONE);  // an overflow faults
  bottom_ = stack_ + kPage;
  bytes_ = kStack;
#if defined(__SANITIZE_THREAD__)
  thread_sanitizer_fiber_ = __tsan_create_fiber(0);
#endif
  restart();
}

Fiber::~Fiber() {
  if (stack_ == nullptr) return;
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(thread_sanitizer_fiber_);
#endif
  munmap(stack_, kPage + kStack);
}

void Fiber::restart() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(bottom_, bytes_);
  fake_stack_ = nullptr;
#endif
  auto* top = reinterpret_cast<std::uintptr_t*>(stack_ + kPage + kStack);
#if defined(__x86_64__)
  // Six registers, the address to return to, and the place where a caller's own would be.
  std::uintptr_t* frame = top - 8;
  for (int i = 0; i < 8; ++i) frame[i] = 0;
  frame[6] = reinterpret_cast<std::uintptr_t>(&Fiber::start);
#else
  std::uintptr_t* frame = top - 20;
  for (int i = 0; i < 20; ++i) frame[i] = 0;
  frame[11] = reinterpret_cast<std::uintptr_t>(&Fiber::start);
#endif
  stack_pointer_ = frame;
}

void Fiber::start() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &g_from->bottom_, &g_from->bytes_);
#endif
  g_to->body_();
  std::abort();  // bodies never return
}

void Fiber::switch_from(Fiber& from, Fiber& to) {
  g_from = &from;
  g_to = &to;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.bytes_);
#endif
#if defined(__SANITIZE_THREAD__)
  if (from.body_ == nullptr) from.thread_sanitizer_fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.thread_sanitizer_fiber_, 0);
#endif
  redoubt_emulator_switch(&from.stack_pointer_, to.stack_pointer_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack_, &g_from->bottom_, &g_from->bytes_);
#endif
}

}  // namespace cuda_emulator
