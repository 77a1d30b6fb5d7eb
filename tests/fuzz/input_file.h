// A fuzzer's bytes as a file that readers can open by a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/check.h"

namespace redoubt::fuzz {

/// In memory: no disk is worn.
class InputFile {
 public:
  InputFile(const std::uint8_t* data, std::size_t size) : descriptor_(memfd_create("input", 0)) {
    if (descriptor_ < 0) throw std::runtime_error("memfd_create");
    while (size > 0) {
      const ssize_t written = ::write(descriptor_, data, size);
      if (written <= 0) throw std::runtime_error("write");
      data += written;
      size -= static_cast<std::size_t>(written);
    }
  }
  ~InputFile() { ::close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// Runs what may refuse its input with a message that tells something, and in no other way.
template <class Body>
void refused_or_done(const Body& body) {
  try {
    body();
  } catch (const InputError& error) {
    if (*error.what() == '\0') __builtin_trap();
  }
}

}  // namespace redoubt::fuzz
