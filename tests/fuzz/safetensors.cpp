// A model file is refused with a message, or is written and read back to the same; and what it says
// beside its tensors is of the model, or refused.
#include "engine/safetensors.h"

#include <cstring>

#include "base/check.h"
#include "datasets/dataset.h"
#include "engine/network.h"
#include "experiments/simulation/metadata.h"
#include "tests/fuzz/input_file.h"

namespace {

using namespace redoubt;

const Network& small_network() {
  static const Network network(
      {1, 6, 6}, 2,
      std::vector<LayerSpec>{Conv::Settings{.channels = 2, .kernel = 3, .bias = 0},
                             BatchNorm::Settings(), Relu::Settings(), Dense::Settings{.units = 2}});
  return network;
}

/// As bits, since NaN is no equal of itself.
bool same_bits(const NamedTensor& a, const NamedTensor& b) {
  return a.name == b.name && a.shape == b.shape && a.values.size() == b.values.size() &&
         (a.values.empty() ||
          std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0);
}

void check_written(const TensorFile& file) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fuzz-" + std::to_string(::getpid()));
  write_safetensors(path, file);
  const TensorFile again = read_safetensors(path);
  if (again.metadata != file.metadata || again.tensors.size() != file.tensors.size()) {
    __builtin_trap();
  }
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    if (!same_bits(again.tensors[i], file.tensors[i])) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile input(data, size);
  fuzz::refused_or_done([&] {
    const TensorFile file = read_safetensors(input.path());
    if (size % 64 == 0) check_written(file);  // a disk is slow
    const ParameterLayout& layout = small_network().layout();
    std::vector<float> row(static_cast<std::size_t>(layout.row_size()));
    fuzz::refused_or_done([&] { fill_row(layout, file, "fuzz", row); });
    fuzz::refused_or_done([&] { experiments::mask_of(layout, file, "fuzz"); });
    fuzz::refused_or_done([&] { experiments::zeroed_in(layout, file, "fuzz"); });
    fuzz::refused_or_done([&] { experiments::normalization_of(file, "fuzz"); });
    fuzz::refused_or_done([&] { experiments::input_range_of(file, "fuzz"); });
  });
  return 0;
}
