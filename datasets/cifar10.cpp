#include "datasets/cifar10.h"

#include <fmt/format.h>

#include "datasets/cifar.h"
#include "datasets/folder.h"

namespace redoubt {

Dataset Cifar10::load(const DatasetSettings& settings, std::uint64_t /*seed*/) {
  const std::filesystem::path folder = find_folder(
      settings,
      {.name = kName,
       .first_file = "test_batch.bin",
       .system = {},
       .how_to_get = "put the .bin files of the CIFAR-10 release (binary version) into a folder "
                     "and name it by data.directory, or its parent by $REDOUBT_DATA"});
  constexpr int kBatch = 10000;
  Dataset dataset = {.name = kName,
                     .shape = kShape,
                     .classes = kClasses,
                     .train = {},
                     .test = {},
                     .origin = folder.string()};
  for (int i = 1; i <= 5; ++i) {
    read_cifar_batch(need_file(folder, fmt::format("data_batch_{}.bin", i)), kBatch, dataset.train);
  }
  read_cifar_batch(need_file(folder, "test_batch.bin"), kBatch, dataset.test);
  return dataset;
}

}  // namespace redoubt
