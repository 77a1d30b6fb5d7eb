// Where the files of a published data set lie.
#pragma once

#include <filesystem>
#include <string>

#include "datasets/dataset.h"

namespace redoubt {

/// Where a data set may lie, and how to get it.
struct DatasetPlace {
  std::string name;
  std::string first_file;        ///< tells whether a folder is the right one
  std::filesystem::path system;  ///< empty: the system has no place for it
  std::string how_to_get;
};

/// The folder that the settings name, or $REDOUBT_DATA/<name>, or the system's place. Throws
/// InputError that says where it looked and how to get the data.
std::filesystem::path find_folder(const DatasetSettings& settings, const DatasetPlace& place);

/// A published file by one of the spellings in use, plain or .gz. Throws InputError if there is
/// none.
std::filesystem::path need_file(const std::filesystem::path& folder, const std::string& name);

}  // namespace redoubt
