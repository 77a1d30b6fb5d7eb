#include "datasets/bytes.h"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "base/check.h"

namespace redoubt {

std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path) {
  // zlib reads plain files as they are.
  errno = 0;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw InputError(path.string() + ": cannot open: " + std::strerror(errno));
  std::vector<std::uint8_t> bytes;
  constexpr std::size_t kChunk = 1 << 20;
  for (;;) {
    const std::size_t size = bytes.size();
    bytes.resize(size + kChunk);
    const int got = gzread(file.get(), bytes.data() + size, kChunk);
    bytes.resize(size + static_cast<std::size_t>(got < 0 ? 0 : got));
    int code = Z_OK;
    const char* reason = gzerror(file.get(), &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      throw InputError(path.string() + ": damaged after " + std::to_string(bytes.size()) +
                       " unpacked bytes: " + reason);
    }
    if (got == 0) return bytes;
  }
}

}  // namespace redoubt
