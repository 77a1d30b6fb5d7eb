// Measuring what a GPU does later than it is asked.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>

#include "kernels/device.h"

namespace redoubt::benchmarks {

constexpr Device kGpu = {.kind = Device::Kind::cuda, .index = 0};

/// Whether this build and machine have a GPU.
bool gpu_is_there();

/// Measures `call`, which asks the context for work: the seconds of one of several calls in a row,
/// from the first until all are done. For a benchmark with UseManualTime().
void measure_calls(benchmark::State& state, Context& context, const std::function<void()>& call);

}  // namespace redoubt::benchmarks
