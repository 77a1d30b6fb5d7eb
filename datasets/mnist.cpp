#include "datasets/mnist.h"

#include "datasets/folder.h"
#include "datasets/idx.h"

namespace redoubt {

Dataset Mnist::load(const DatasetSettings& settings, std::uint64_t /*seed*/) {
  const std::filesystem::path folder = find_folder(
      settings, {.name = kName,
                 .first_file = "train-images-idx3-ubyte",
                 .system = "/usr/share/datasets/mnist",
                 .how_to_get = "put the four IDX files of the MNIST release (plain or .gz) into "
                               "a folder and name it by data.directory, or its parent by "
                               "$REDOUBT_DATA"});
  return read_idx_folder(kName, folder, kShape, kClasses);
}

}  // namespace redoubt
