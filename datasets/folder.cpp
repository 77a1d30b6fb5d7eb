#include "datasets/folder.h"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "base/check.h"

namespace redoubt {

namespace fs = std::filesystem;

namespace {

/// A published file by one of the spellings in use, or an empty path.
fs::path find_file(const fs::path& folder, const std::string& name) {
  std::string dotted = name;
  const std::size_t dash = dotted.find("-idx");
  if (dash != std::string::npos) dotted[dash] = '.';
  for (const std::string& spelling : {name, name + ".gz", dotted, dotted + ".gz"}) {
    if (fs::exists(folder / spelling)) return folder / spelling;
  }
  return {};
}

}  // namespace

fs::path find_folder(const DatasetSettings& settings, const DatasetPlace& place) {
  std::vector<fs::path> folders;
  if (settings.directory) {
    folders.push_back(*settings.directory);
  } else {
    if (const char* root = std::getenv("REDOUBT_DATA"); root != nullptr && *root != '\0') {
      folders.push_back(fs::path(root) / place.name);
    }
    if (!place.system.empty()) folders.push_back(place.system);
  }
  std::string looked;
  for (const fs::path& folder : folders) {
    if (!find_file(folder, place.first_file).empty()) return folder;
    looked += (looked.empty() ? "" : ", ") + folder.string();
  }
  throw InputError(fmt::format(
      "data set {} was not found: no {} in {}; {}", place.name, place.first_file,
      looked.empty() ? "any place ($REDOUBT_DATA is not set)" : looked, place.how_to_get));
}

fs::path need_file(const fs::path& folder, const std::string& name) {
  fs::path path = find_file(folder, name);
  if (path.empty()) throw InputError((folder / name).string() + ": no such file, plain or .gz");
  return path;
}

}  // namespace redoubt
