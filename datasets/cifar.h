// The binary files of CIFAR-10.
#pragma once

#include <filesystem>

#include "datasets/dataset.h"

namespace redoubt {

/// Appends one batch file to a split: records of a label and 3x32x32 bytes, exactly `count` of
/// them. Throws InputError naming the file: wrong size, a label above 9.
void read_cifar_batch(const std::filesystem::path& path, int count, Split& split);

}  // namespace redoubt
