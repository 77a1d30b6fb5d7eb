#include <benchmark/benchmark.h>
#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/parallel.h"
#include "kernels/tiles_choice.h"
#include "tests/benchmark/benchmarks.h"
#include "tests/benchmark/gpu.h"

namespace {

/// Takes a flag of our own out of the arguments and says whether it was there.
bool take_flag(const char* flag, int& argc, char** argv) {
  char** const end = argv + argc;
  char** const kept = std::remove_if(
      argv + 1, end, [flag](const char* argument) { return std::strcmp(argument, flag) == 0; });
  const bool found = kept != end;
  argc = static_cast<int>(kept - argv);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  // Sizes at which the numbers mean nothing, only to see that everything runs.
  const bool smoke = take_flag("--smoke", argc, argv);
  if (take_flag("--floors", argc, argv)) {
    redoubt::benchmarks::print_floors();
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  omp_set_num_threads(1);  // oneDNN's, as ours are of one thread
  const dnnl_version_t* onednn = dnnl_version();
#if defined(__clang__)
  benchmark::AddCustomContext("compiler", "Clang " __clang_version__);
#else
  benchmark::AddCustomContext("compiler", "GCC " __VERSION__);
#endif
  benchmark::AddCustomContext("onednn", std::to_string(onednn->major) + "." +
                                            std::to_string(onednn->minor) + "." +
                                            std::to_string(onednn->patch));
  benchmark::AddCustomContext("tiles", redoubt::kernels::tiles().name);
  benchmark::AddCustomContext("threads", std::to_string(redoubt::available_threads()));
  for (const redoubt::DeviceDescription& one : redoubt::available_devices()) {
    benchmark::AddCustomContext(redoubt::to_string(one.device), one.name);
  }
  if (redoubt::benchmarks::gpu_is_there()) {
    benchmark::AddCustomContext("cuda_fingerprint",
                                redoubt::fingerprint(redoubt::benchmarks::kGpu));
  }
  redoubt::benchmarks::register_machine(smoke);
  redoubt::benchmarks::register_operations(smoke);
  redoubt::benchmarks::register_training();
  redoubt::benchmarks::register_fleets(smoke);
  redoubt::benchmarks::register_aggregation();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
