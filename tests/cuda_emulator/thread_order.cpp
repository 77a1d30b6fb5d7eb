#include "tests/support/thread_order.h"

#include "tests/cuda_emulator/emulator.h"

namespace redoubt::test {

bool gpu_is_emulated() { return true; }

ThreadOrder::ThreadOrder(std::uint64_t seed) : before_(cuda_emulator::seed()) {
  cuda_emulator::set_seed(seed);
}
ThreadOrder::~ThreadOrder() { cuda_emulator::set_seed(before_); }

}  // namespace redoubt::test
