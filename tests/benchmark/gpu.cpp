#include "tests/benchmark/gpu.h"

#include <chrono>

namespace redoubt::benchmarks {

bool gpu_is_there() {
  static const bool there = available_devices().size() > 1;
  return there;
}

void measure_calls(benchmark::State& state, Context& context, const std::function<void()>& call) {
  constexpr int kCalls = 16;
  call();  // allocates, and chooses what is chosen once
  context.synchronize();
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) call();
    context.synchronize();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(seconds.count() / kCalls);
  }
}

}  // namespace redoubt::benchmarks
