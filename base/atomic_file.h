// Files that are either whole or not there.
#pragma once

#include <filesystem>
#include <string_view>

namespace redoubt {

/// Writes a temporary file beside `path`, flushes it to the disk and renames it: after a crash at
/// any moment `path` holds the old content or the new. Throws InputError naming the path and the
/// reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Returns when what was written to the file is on the disk. Throws InputError naming the path.
void flush_file(const std::filesystem::path& path);

}  // namespace redoubt
