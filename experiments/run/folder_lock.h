// One process at a time works in a folder.
#pragma once

#include <filesystem>

namespace redoubt::experiments {

/// Holds a folder until it is destroyed or the process ends, however it ends; leaves no file. On
/// file systems of other machines processes of one machine are all that it keeps apart.
class FolderLock {
 public:
  /// Throws InputError if another process holds the folder, or if it cannot be opened.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  /// Whether another process holds the folder, which is there.
  static bool is_held(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace redoubt::experiments
