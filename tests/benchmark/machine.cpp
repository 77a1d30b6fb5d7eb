// The ceilings that everything else is held against.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "engine/buffer.h"
#include "tests/benchmark/benchmarks.h"
#include "tests/benchmark/gpu.h"

namespace redoubt::benchmarks {

namespace {

// Twelve sums that do not wait for one another hide the latency of two FMA units and leave, of 16
// registers, room for the factor and the addend.
constexpr int kChains = 12;
constexpr int kSteps = 4096;

typedef float Vector16 __attribute__((vector_size(16)));
typedef float Vector32 __attribute__((vector_size(32)));
typedef float Vector64 __attribute__((vector_size(64)));

/// kSteps multiply-adds on each of kChains vectors.
template <class Vector>
inline __attribute__((always_inline)) float multiply_add(float factor, float addend) {
  const Vector factors = factor - Vector{};
  const Vector addends = addend - Vector{};
  Vector sums[kChains];
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) sums[c] = addends * static_cast<float>(c);
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) sums[c] = sums[c] * factors + addends;
  }
  float total = 0;
  for (int c = 0; c < kChains; ++c) total += sums[c][0];
  return total;
}

float multiply_add_16(float factor, float addend) { return multiply_add<Vector16>(factor, addend); }

struct Peak {
  float (*run)(float factor, float addend);
  int lanes;
};

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float multiply_add_32(float factor, float addend) {
  return multiply_add<Vector32>(factor, addend);
}
__attribute__((target("avx512f"))) float multiply_add_64(float factor, float addend) {
  return multiply_add<Vector64>(factor, addend);
}
#endif

/// With the widest vectors that this machine has.
Peak widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {multiply_add_64, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {multiply_add_32, 8};
#endif
  return {multiply_add_16, 4};
}

void measure_fma(benchmark::State& state) {
  const Peak peak = widest();
  float factor = 0.999F;
  float addend = 0.001F;
  benchmark::DoNotOptimize(factor);
  benchmark::DoNotOptimize(addend);
  for (auto _ : state) benchmark::DoNotOptimize(peak.run(factor, addend));
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * kChains * kSteps * peak.lanes,
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void measure_copy(benchmark::State& state) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;  // beyond a core's share of any cache
  const std::vector<char> from(kBytes, 1);
  std::vector<char> to(kBytes, 2);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), kBytes);
    benchmark::ClobberMemory();
  }
  // Read once and written once, as STREAM counts.
  state.counters["B/s"] = benchmark::Counter(2.0 * static_cast<double>(kBytes),
                                             benchmark::Counter::kIsIterationInvariantRate);
}

void measure_gpu_copy(benchmark::State& state, std::int64_t floats) {
  const Buffer<float> from(kGpu, floats);
  Buffer<float> to(kGpu, floats);
  Context context(kGpu);
  measure_calls(state, context,
                [&] { context.copy_on_device(to.data(), from.data(), to.bytes()); });
  state.counters["B/s"] = benchmark::Counter(2.0 * static_cast<double>(to.bytes()),
                                             benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

void register_machine(bool smoke) {
  benchmark::RegisterBenchmark("machine/fma", measure_fma)->UseRealTime();
  benchmark::RegisterBenchmark("machine/copy", measure_copy)->UseRealTime();
  if (!gpu_is_there()) return;
  benchmark::RegisterBenchmark("cuda/machine/copy", [smoke](benchmark::State& state) {
    measure_gpu_copy(state, smoke ? 1000 : 65'536'000);
  })->UseManualTime();
}

}  // namespace redoubt::benchmarks
