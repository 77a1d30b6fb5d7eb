// A function's execution that can be left and resumed: a stack of its own and a switch.
#pragma once

#include <cstddef>

namespace cuda_emulator {

class Fiber {
 public:
  /// The running thread's own stack, as a fiber to switch back to.
  Fiber() = default;
  /// Runs `body`, which never returns, when first switched to.
  explicit Fiber(void (*body)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Leaves `from`, the running fiber, until somebody switches to it again.
  static void switch_from(Fiber& from, Fiber& to);
  /// Forgets where the fiber was; it will run its body from the start.
  void restart();

 private:
  static void start();

  void (*body_)() = nullptr;
  char* stack_ = nullptr;
  void* stack_pointer_ = nullptr;
  // What AddressSanitizer and ThreadSanitizer want to know.
  const void* bottom_ = nullptr;
  std::size_t bytes_ = 0;
  void* fake_stack_ = nullptr;
  void* thread_sanitizer_fiber_ = nullptr;
};

}  // namespace cuda_emulator
