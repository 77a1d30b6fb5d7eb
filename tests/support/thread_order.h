// The order that a GPU's threads and blocks take.
#pragma once

#include <cstdint>

namespace redoubt::test {

/// Whether this program's GPU is emulated: then products do not depend on how many there are.
bool gpu_is_emulated();

/// While it lives, an emulated GPU takes the order of that seed. A real one takes its own, another
/// every time.
class ThreadOrder {
 public:
  explicit ThreadOrder(std::uint64_t seed);
  ~ThreadOrder();
  ThreadOrder(const ThreadOrder&) = delete;
  ThreadOrder& operator=(const ThreadOrder&) = delete;

 private:
  std::uint64_t before_;
};

}  // namespace redoubt::test
