// Files of images and labels, IDX and CIFAR, plain or packed, are refused with a message or hold
// what they say. The first byte chooses, the next two cut the rest into two files.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "datasets/cifar.h"
#include "datasets/idx.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace redoubt;
  if (size < 3) return 0;
  const std::uint8_t choice = data[0];
  const std::size_t cut = std::min<std::size_t>(data[1] * std::size_t{256} + data[2], size - 3);
  data += 3;
  size -= 3;
  if (choice % 2 == 0) {
    const fuzz::InputFile images(data, cut);
    const fuzz::InputFile labels(data + cut, size - cut);
    fuzz::refused_or_done([&] {
      const Split split = read_idx_split(images.path(), labels.path(), {1, 28, 28}, 10);
      if (split.images.size() != split.labels.size() * 28 * 28) __builtin_trap();
      for (const std::uint8_t label : split.labels) {
        if (label >= 10) __builtin_trap();
      }
    });
  } else {
    const fuzz::InputFile batch(data, size);
    fuzz::refused_or_done([&] {
      Split split;
      read_cifar_batch(batch.path(), choice / 2 % 4, split);
      if (split.images.size() != split.labels.size() * 3 * 32 * 32) __builtin_trap();
    });
  }
  return 0;
}
