#include "tests/support/thread_order.h"

namespace redoubt::test {

bool gpu_is_emulated() { return false; }

ThreadOrder::ThreadOrder(std::uint64_t seed) : before_(seed) {}
ThreadOrder::~ThreadOrder() = default;

}  // namespace redoubt::test
