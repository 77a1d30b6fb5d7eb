#include <benchmark/benchmark.h>
#include <dnnl.h>
#include <omp.h>

#include <string>

#include "kernels/parallel.h"
#include "kernels/tiles_choice.h"
#include "tests/benchmark/benchmarks.h"

int main(int argc, char** argv) {
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
  redoubt::benchmarks::register_machine();
  redoubt::benchmarks::register_operations();
  redoubt::benchmarks::register_training();
  redoubt::benchmarks::register_aggregation();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
