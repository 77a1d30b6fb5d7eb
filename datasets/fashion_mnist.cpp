#include "datasets/fashion_mnist.h"

#include "datasets/folder.h"
#include "datasets/idx.h"

namespace redoubt {

Dataset FashionMnist::load(const DatasetSettings& settings, std::uint64_t /*seed*/) {
  const std::filesystem::path folder =
      find_folder(settings, {.name = kName,
                             .first_file = "train-images-idx3-ubyte",
                             .system = "/usr/share/datasets/fashion-mnist",
                             .how_to_get = "Debian has it: apt install dataset-fashion-mnist"});
  return read_idx_folder(kName, folder, kShape, kClasses);
}

}  // namespace redoubt
