#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"

namespace redoubt {

namespace {

/// A file descriptor that closes itself; `path` is for messages.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : path_(path), descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) fail("open");
  }
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void write(std::string_view content) const {
    while (!content.empty()) {
      const ssize_t written = ::write(descriptor_, content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("write");
      content.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void flush() const {
    if (::fsync(descriptor_) != 0) fail("flush");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw InputError(path_.string() + ": cannot " + what + ": " + std::strerror(errno));
  }

  const std::filesystem::path& path_;
  int descriptor_;
};

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::path beside = path;
  beside += ".part";
  try {
    const Descriptor file(beside, O_WRONLY | O_CREAT | O_TRUNC);
    file.write(content);
    file.flush();
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    throw;
  }
  std::error_code error;
  std::filesystem::rename(beside, path, error);
  if (error) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    throw InputError(path.string() + ": cannot rename: " + error.message());
  }
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  Descriptor(folder, O_RDONLY | O_DIRECTORY).flush();
}

void flush_file(const std::filesystem::path& path) { Descriptor(path, O_RDONLY).flush(); }

}  // namespace redoubt
