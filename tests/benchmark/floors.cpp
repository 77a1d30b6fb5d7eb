// What an H200 cannot be faster than.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "tests/benchmark/benchmarks.h"
#include "tests/benchmark/operation_case.h"

namespace redoubt::benchmarks {

namespace {

// Of the data sheet, without sparsity; not measured.
constexpr double kBytesPerSecond = 4.8e12;
constexpr double kDoubleFlops = 34e12;
constexpr double kFp32Flops = 67e12;
constexpr double kTf32Flops = 494.5e12;
constexpr double kBf16Flops = 989.5e12;

double peak(const OperationCase& operation) {
  if (operation.in_double) return kDoubleFlops;
  switch (operation.arithmetic.precision) {
    case Precision::tf32:
      return kTf32Flops;
    case Precision::bf16:
      return kBf16Flops;
    case Precision::fp32:
      break;
  }
  return kFp32Flops;
}

double memory_seconds(const OperationCase& operation) { return operation.bytes / kBytesPerSecond; }
double arithmetic_seconds(const OperationCase& operation) {
  return operation.flops / peak(operation);
}

void print_large() {
  std::puts("| operation | MB | GFLOP | floor | bound by |\n| --- | ---: | ---: | ---: | --- |");
  for (const OperationCase& one : large_cases(false)) {
    const bool by_memory = memory_seconds(one) >= arithmetic_seconds(one);
    const std::string flops = one.flops > 0 ? std::to_string(std::lround(one.flops / 1e9)) : "-";
    std::printf("| `%s` | %.0f | %s | %.0f µs | %s |\n", one.name.c_str(), one.bytes / 1e6,
                flops.c_str(), 1e6 * std::max(memory_seconds(one), arithmetic_seconds(one)),
                by_memory ? "memory" : "fp64");
  }
}

/// A pass' floors by precision.
void print_convolutions() {
  std::map<std::string, std::map<Precision, double>> floors;
  std::map<std::string, double> flops;
  for (const OperationCase& one : conv_engine_cases(false)) {
    const std::size_t engine = one.name.find("/implicit/");
    if (engine == std::string::npos) continue;
    const std::string pass = one.name.substr(0, engine);
    floors[pass][one.arithmetic.precision] = std::max(memory_seconds(one), arithmetic_seconds(one));
    flops[pass] = one.flops;
  }
  std::puts("| pass | GFLOP | fp32 | tf32 | bf16 |\n| --- | ---: | ---: | ---: | ---: |");
  for (auto& [pass, of] : floors) {
    std::printf("| `%s` | %.0f | %.0f µs | %.0f µs | %.0f µs |\n", pass.c_str(), flops[pass] / 1e9,
                1e6 * of[Precision::fp32], 1e6 * of[Precision::tf32], 1e6 * of[Precision::bf16]);
  }
}

}  // namespace

void print_floors() {
  print_large();
  std::puts("");
  print_convolutions();
}

}  // namespace redoubt::benchmarks
