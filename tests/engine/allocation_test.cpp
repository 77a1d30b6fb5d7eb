// Our code takes no memory in a training step after the first: every operator new is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "engine/executor.h"
#include "tests/engine/network_cases.h"
#include "tests/engine/random_images.h"

namespace {

std::atomic<std::int64_t> allocations = 0;

void* counted(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Our own memory and all containers come through here. malloc itself is left alone, as sanitizers
// have theirs.
void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}

namespace redoubt::test {
namespace {

using kernels::Sample;

class Allocations : public testing::Test {
 protected:
  /// Allocations of one call of train() with that many steps in each of two rows.
  std::int64_t of_training(Executor& executor, Fleet& fleet, int steps) {
    const std::vector<Sample> samples = images.samples(0, 16 * steps, 4);
    std::vector<TrainingTask> tasks;
    for (int row = 0; row < 2; ++row) {
      tasks.push_back(
          {.row = row,
           .samples = samples,
           .batch = 16,
           .optimizer = Adam::Settings(),
           .terms = Terms::of(L2Penalty(executor.network().layout().spans().front(), 0.1F))});
    }
    const std::int64_t before = allocations;
    executor.train(fleet, tasks, {});
    return allocations - before;
  }

  Shape input{1, 12, 12};
  Network network{input, 4,
                  std::vector{conv(20, 3), relu(), max_pool(2), conv(24, 3, 1, 1), relu(),
                              average_pool(2), dropout(0.3), dense(32), relu(), dense(4)}};
  RandomImages images{input, 64};
};

TEST_F(Allocations, AreCountedAtAll) {
  const std::int64_t before = allocations;
  const Buffer<float> buffer(Device(), 10);
  EXPECT_GT(allocations, before);
}

TEST_F(Allocations, OfTrainingDoNotGrowWithItsStepsAfterTheFirst) {
  // One thread: with more, which of them takes a row for the first time is left to chance.
  Executor executor(network, images.source(), Device(), 1, 16);
  Fleet fleet(network.layout(), 2, 2, Device());
  of_training(executor, fleet, 40);
  const std::int64_t few = of_training(executor, fleet, 1);
  EXPECT_EQ(of_training(executor, fleet, 40), few);
  EXPECT_LE(few, 2) << "a call's own memory is the list of totals and the work for the threads";
}

}  // namespace
}  // namespace redoubt::test
