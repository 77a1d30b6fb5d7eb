// A checkpoint is refused with a message, or a run of its length goes on from it.
#include <cstddef>
#include <cstdint>

#include "engine/safetensors.h"
#include "experiments/simulation/progress.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace redoubt;
  const fuzz::InputFile input(data, size);
  const experiments::RunLength length = {.rounds = 7, .stages = {2, 0, 3}};
  fuzz::refused_or_done([&] {
    const TensorFile file = read_safetensors(input.path());
    const experiments::Progress progress = experiments::read_progress(file, length, "fuzz");
    const bool within = progress.now.next_round >= 1 && progress.now.next_round <= 8 &&
                        progress.pipeline >= 0 && progress.pipeline <= 3 && progress.stage >= 0 &&
                        progress.stage <= 3;
    if (!within) __builtin_trap();
  });
  return 0;
}
