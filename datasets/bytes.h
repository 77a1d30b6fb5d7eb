// Whole files in memory, for the readers of data sets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace redoubt {

/// The content of a file, unpacked if it is gzip. Throws InputError naming the file and the reason.
std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path);

}  // namespace redoubt
