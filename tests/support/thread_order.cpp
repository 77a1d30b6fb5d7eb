#include "tests/support/thread_order.h"

namespace redoubt::test {

ThreadOrder::ThreadOrder(std::uint64_t seed) : before_(seed) {}
ThreadOrder::~ThreadOrder() = default;

}  // namespace redoubt::test
