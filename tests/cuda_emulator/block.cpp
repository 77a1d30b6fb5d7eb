#include "tests/cuda_emulator/block.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cuda_emulator/instructions.h"
#include "tests/cuda_emulator/copies.h"
#include "tests/cuda_emulator/emulator.h"
#include "tests/cuda_emulator/fiber.h"
#include "tests/cuda_emulator/races.h"
#include "tests/cuda_emulator/schedule.h"
#include "tests/cuda_emulator/shared_memory.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace cuda_emulator {

namespace {

constexpr int kNobody = Schedule::kNobody;
constexpr int kNewThread = Schedule::kNewThread;

/// One CUDA thread of the running block.
struct Thread {
  enum class State : std::uint8_t { unstarted, able, at_barrier, at_collective, returned };
  State state = State::unstarted;
  uint3 index = {};
  Fiber* fiber = nullptr;
  // What it waits at.
  const char* name = nullptr;
  Where where;
  unsigned mask = 0;
  void* data = nullptr;
  Finish finish = nullptr;
  PendingCopies copies;
};

/// The running block. There is one, as there is one emulated GPU.
struct Block {
  const Launch* launch = nullptr;
  uint3 index = {};
  std::vector<Thread> threads;
  int size = 0;      ///< threads of this block
  int returned = 0;  ///< how many have returned
  Schedule schedule;
  int current = kNobody;
  int at_barrier = 0;
  int predicates = 0;  ///< how many of them brought a true one
  int barrier_answer = 0;
  bool copies_at_once = false;
  std::string failure;
  SharedMemory dynamic;
  Races& races = cuda_emulator::races();
  Random random;
  Counters counters;

  Fiber host;
  Fiber* running = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;  ///< fibers between two threads
};

// Never destroyed: kernels may run until the program ends.
Block& the_block = *new Block;
Block& block() { return the_block; }

Thread& running_thread() { return block().threads[block().current]; }

std::string text(const uint3& index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " +
         std::to_string(index.z) + ")";
}

// ---- Failures -----------------------------------------------------------------------------------

std::string describe(const Thread& thread) {
  switch (thread.state) {
    case Thread::State::returned:
      return "have returned";
    case Thread::State::at_barrier:
    case Thread::State::at_collective: {
      std::string place = thread.where.file_name();
      place = place.substr(place.rfind('/') + 1);
      return std::string("wait at ") + thread.name + " (" + place + ":" +
             std::to_string(thread.where.line()) + ")";
    }
    default:
      return "run";
  }
}

/// "threads 0-31 wait at __syncthreads (pool.cu:33), threads 32-63 have returned"
std::string who_waits_where() {
  const Block& b = block();
  std::string all;
  for (int first = 0; first < b.size;) {
    const std::string what = describe(b.threads[first]);
    int end = first + 1;
    while (end < b.size && describe(b.threads[end]) == what) ++end;
    if (!all.empty()) all += ", ";
    all += end == first + 1 ? "thread " + std::to_string(first)
                            : "threads " + std::to_string(first) + "-" + std::to_string(end - 1);
    all += " " + what;
    first = end;
  }
  return all;
}

void blame(const std::string& what) {
  Block& b = block();
  b.failure =
      std::string("kernel \"") + b.launch->name + "\", block " + text(b.index) + ": " + what;
}

void blame_divergence() { blame("not all threads reach the same place: " + who_waits_where()); }

/// Leaves the block for good. What lies on the fiber's stack is forgotten, so the caller may not
/// own anything.
[[noreturn]] void give_up() {
  Block& b = block();
  Fiber::switch_from(*b.running, b.host);
  std::abort();  // a failed block is not resumed
}

// ---- Whose turn it is ---------------------------------------------------------------------------

void run_on(int thread) {
  Block& b = block();
  b.current = thread;
  b.races.run_on(thread);
  threadIdx = b.threads[thread].index;
}

/// A thread to go on with, or kNewThread, or kNobody.
int pick() { return block().schedule.pick(block().random); }

void work();

Fiber& idle_fiber() {
  Block& b = block();
  if (b.idle.empty()) {
    b.fibers.push_back(std::make_unique<Fiber>(work));
    b.idle.push_back(b.fibers.back().get());
  }
  Fiber& fiber = *b.idle.back();
  b.idle.pop_back();
  return fiber;
}

void switch_to(Fiber& to) {
  Block& b = block();
  Fiber& from = *b.running;
  b.running = &to;
  ++b.counters.switches;
  Fiber::switch_from(from, to);
}

/// The running thread waits, or is able and lets others go first.
void give_way() {
  Block& b = block();
  const int self = b.current;
  const int next = pick();
  if (next == self) return run_on(self);
  if (next == kNobody) {
    blame_divergence();
    give_up();
  }
  if (next == kNewThread) {
    switch_to(idle_fiber());
  } else {
    Thread& other = b.threads[next];
    run_on(next);
    switch_to(*other.fiber);
  }
  run_on(self);
}

/// Makes a thread able to go on.
void release(int thread) {
  Block& b = block();
  b.threads[thread].state = Thread::State::able;
  b.schedule.release(thread);
}

bool is_at(const Thread& thread, const Where& where) {
  return thread.where.line() == where.line() && thread.where.column() == where.column();
}

// ---- A fiber's life -----------------------------------------------------------------------------

void run_next_thread() {
  Block& b = block();
  const int number = b.schedule.begin();
  Thread& thread = b.threads[number];
  thread.state = Thread::State::able;
  thread.fiber = b.running;
  run_on(number);
  try {
    b.launch->thread();
  } catch (const std::exception& error) {
    blame("thread " + std::to_string(number) + ": " + error.what());
  }
  if (!b.failure.empty()) give_up();
  thread.state = Thread::State::returned;
  ++b.returned;
  ++b.counters.threads;
}

/// A fiber's body: runs threads that have not begun, as long as no other is able to go on.
void work() {
  Block& b = block();
  for (;;) {
    run_next_thread();
    const int next = pick();
    if (next == kNewThread) continue;
    b.idle.push_back(b.running);
    if (next == kNobody) {
      switch_to(b.host);  // all have returned, or those left wait in vain
    } else {
      run_on(next);
      switch_to(*b.threads[next].fiber);
    }
  }
}

// ---- Blocks and grids ---------------------------------------------------------------------------

void set_up_threads(const dim3& extent) {
  Block& b = block();
  b.size = static_cast<int>(extent.x * extent.y * extent.z);
  if (b.threads.size() < static_cast<std::size_t>(b.size)) {
    b.threads.resize(b.size);
  }
  std::size_t i = 0;
  for (unsigned z = 0; z < extent.z; ++z) {
    for (unsigned y = 0; y < extent.y; ++y) {
      for (unsigned x = 0; x < extent.x; ++x) b.threads[i++].index = {x, y, z};
    }
  }
}

void run_block(const Launch& launch, std::uint64_t number) {
  Block& b = block();
  const std::uint64_t row = number / launch.grid.x;
  b.index = {static_cast<unsigned>(number % launch.grid.x),
             static_cast<unsigned>(row % launch.grid.y),
             static_cast<unsigned>(row / launch.grid.y)};
  blockIdx = b.index;
  b.returned = 0;
  b.at_barrier = 0;
  b.predicates = 0;
  b.failure.clear();
  // One that is watched ends as late as it may: whoever uses its bytes before is reported.
  b.copies_at_once = seed() != 0 && b.random.below(2) == 1 && !b.races.watching();
  for (int i = 0; i < b.size; ++i) {
    Thread& thread = b.threads[i];
    thread.state = Thread::State::unstarted;
    thread.copies.clear();
  }
  b.schedule.start_block(b.size, b.random);
  b.dynamic.start_block();
  b.races.start_block();

  b.running = &b.host;
  switch_to(idle_fiber());
  if (b.failure.empty() && b.returned == b.size) return;

  if (b.failure.empty()) blame_divergence();
  // Whoever is in the midst of a kernel forgets it.
  b.idle.clear();
  for (const auto& fiber : b.fibers) {
    fiber->restart();
    b.idle.push_back(fiber.get());
  }
  throw KernelFailure(b.failure);
}

}  // namespace

void run_launch(const Launch& launch) {
  Block& b = block();
  const std::uint64_t blocks = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  b.launch = &launch;
  b.random = Random(seed() * 0x9e3779b97f4a7c15U + b.counters.launches);
  ++b.counters.launches;
  gridDim = launch.grid;
  blockDim = launch.block;
  set_up_threads(launch.block);
  b.dynamic.start_launch(launch.kernel, launch.shared_bytes);
  b.races.start_launch();
  const InKernel in_kernel;
  ShuffledOrder order(blocks, b.random);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    run_block(launch, order.next());
    b.dynamic.end_block();
  }
}

Counters counters() { return block().counters; }

// ---- Called by running threads ------------------------------------------------------------------

int block_barrier(const char* name, bool predicate, const Where& where) {
  Block& b = block();
  Thread& self = running_thread();
  self.state = Thread::State::at_barrier;
  self.name = name;
  self.where = where;
  b.predicates += predicate ? 1 : 0;
  if (++b.at_barrier == b.size) {
    const bool same_place = std::all_of(b.threads.begin(), b.threads.begin() + b.size,
                                        [&](const Thread& other) { return is_at(other, where); });
    if (!same_place) {
      blame_divergence();
      give_up();
    }
    b.barrier_answer = b.predicates;
    b.at_barrier = 0;
    b.predicates = 0;
    b.races.pass_barrier();
    for (int i = b.size; i-- > 0;) release(i);
  }
  give_way();
  return b.barrier_answer;
}

void warp_collective(const char* name, unsigned mask, void* data, Finish finish,
                     const Where& where) {
  Block& b = block();
  const int first = b.current / 32 * 32;
  Thread& self = running_thread();
  self.state = Thread::State::at_collective;
  self.name = name;
  self.where = where;
  self.mask = mask;
  self.data = data;
  self.finish = finish;
  if ((mask >> (b.current % 32) & 1U) == 0) {
    blame("thread " + std::to_string(b.current) + " is not in the mask it gives to " + name);
    give_up();
  }
  // Lanes beyond the block's end are taken as absent, as a GPU does.
  Lanes lanes;
  std::array<int, 32> members = {};
  std::size_t count = 0;
  for (int lane = 0; lane < 32 && first + lane < b.size; ++lane) {
    if ((mask >> lane & 1U) == 0) continue;
    const Thread& other = b.threads[first + lane];
    const bool here = other.state == Thread::State::at_collective && other.mask == mask &&
                      other.finish == finish && is_at(other, where);
    if (!here) return give_way();
    lanes.data[lane] = other.data;
    members[count++] = first + lane;
  }
  finish(lanes);
  const auto lanes_of_warp = static_cast<std::size_t>(std::min(b.size - first, 32));
  if (finish == finish_nothing && count == lanes_of_warp) b.races.pass_warp_barrier();
  while (count > 0) release(members[--count]);
  give_way();
}

void copy_async(void* shared, const void* global, std::size_t bytes, bool inside) {
  const auto aligned = [&](const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
  };
  if (!aligned(shared) || !aligned(global)) trap("a copy is not aligned to its size");
  const Copy copy = {shared, inside ? global : nullptr, bytes, __builtin_return_address(0)};
  Races& races = block().races;
  if (inside) races.note(Races::Kind::read, global, bytes, copy.place);
  races.note(Races::Kind::copy_begins, shared, bytes, copy.place);
  if (block().copies_at_once) return PendingCopies::make(copy);
  running_thread().copies.ask(copy);
}
void end_copy_group() { running_thread().copies.end_group(); }
void wait_for_copies(std::size_t groups) { running_thread().copies.wait(groups); }

int lane() { return block().current % 32; }

void* dynamic_shared() { return block().dynamic.data(); }

void trap(const char* what) {
  blame("thread " + std::to_string(block().current) + ": " + what);
  give_up();
}

}  // namespace cuda_emulator
