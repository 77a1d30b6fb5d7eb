#include "datasets/cifar.h"

#include <fmt/format.h>

#include "base/check.h"
#include "datasets/bytes.h"

namespace redoubt {

void read_cifar_batch(const std::filesystem::path& path, int count, Split& split) {
  constexpr std::size_t kImage = 3 * 32 * 32;
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  const std::size_t expected = static_cast<std::size_t>(count) * (kImage + 1);
  if (bytes.size() != expected) {
    throw InputError(fmt::format("{}: {}: {} bytes; a batch of {} images has {}", path.string(),
                                 bytes.size() < expected ? "truncated" : "too long", bytes.size(),
                                 count, expected));
  }
  for (std::size_t at = 0; at < bytes.size(); at += kImage + 1) {
    if (bytes[at] > 9) {
      throw InputError(fmt::format("{}: label {} of image {}; labels go from 0 to 9", path.string(),
                                   bytes[at], at / (kImage + 1)));
    }
    split.labels.push_back(bytes[at]);
    const auto image = bytes.begin() + static_cast<std::ptrdiff_t>(at) + 1;
    split.images.insert(split.images.end(), image, image + kImage);
  }
}

}  // namespace redoubt
