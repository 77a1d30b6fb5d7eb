#include "experiments/run/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace redoubt::experiments {

namespace {

int open_folder(const std::filesystem::path& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/// False if another process holds the lock. A file system without locks cannot tell, which is no
/// error.
bool try_lock(int descriptor) {
  return ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder) : descriptor_(open_folder(folder)) {
  if (descriptor_ < 0) {
    throw InputError(folder.string() + ": cannot open the folder: " + std::strerror(errno));
  }
  if (!try_lock(descriptor_)) {
    ::close(descriptor_);
    throw InputError(folder.string() + ": another redoubt is at work there");
  }
}

bool FolderLock::is_held(const std::filesystem::path& folder) {
  const int descriptor = open_folder(folder);
  if (descriptor < 0) return false;
  const bool held = !try_lock(descriptor);
  ::close(descriptor);
  return held;
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace redoubt::experiments
