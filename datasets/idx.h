// The IDX files of MNIST and Fashion-MNIST.
#pragma once

#include <filesystem>

#include "datasets/dataset.h"

namespace redoubt {

/// One split from a file of images [count][28][28] and a file of labels [count], plain or gzip.
/// Throws InputError naming the file: wrong magic number, truncated, bytes left over, counts that
/// disagree, a label that is not below `classes`, images of another size.
Split read_idx_split(const std::filesystem::path& images, const std::filesystem::path& labels,
                     const Shape& shape, int classes);

/// Both splits by their published names in a folder. Throws as above, or for a file that is
/// missing.
Dataset read_idx_folder(const std::string& name, const std::filesystem::path& folder,
                        const Shape& shape, int classes);

}  // namespace redoubt
