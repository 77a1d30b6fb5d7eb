// An experiment file is refused with a message, or reads back to the same when it is written out.
#include "experiments/file/experiment_file.h"

#include <string>

#include "base/check.h"
#include "experiments/file/sweep_points.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace redoubt;
  const std::string text(reinterpret_cast<const char*>(data), size);
  fuzz::refused_or_done([&] {
    const experiments::Experiment read = experiments::parse_experiment(text, "fuzz.yaml");
    const std::string resolved = experiments::resolved_yaml(read);
    const std::string again =
        experiments::resolved_yaml(experiments::parse_experiment(resolved, "fuzz.yaml"));
    if (again != resolved) __builtin_trap();
  });
  const fuzz::InputFile file(data, size);
  fuzz::refused_or_done([&] { experiments::sweep_points(file.path()); });
  return 0;
}
