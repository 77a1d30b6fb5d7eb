#include "datasets/idx.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "datasets/bytes.h"
#include "datasets/folder.h"

namespace redoubt {

namespace {

/// An IDX file of bytes: 0, 0, type 8, the number of dimensions, each dimension as 4 bytes with the
/// high one first, the data.
struct Idx {
  std::vector<std::uint32_t> sizes;
  std::vector<std::uint8_t> data;
};

std::uint32_t big_endian(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
         std::uint32_t{bytes[at + 2]} << 8 | std::uint32_t{bytes[at + 3]};
}

Idx read_idx(const std::filesystem::path& path, std::size_t dimensions) {
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  const std::size_t header = 4 + 4 * dimensions;
  if (bytes.size() < header) {
    throw InputError(fmt::format("{}: truncated: {} bytes, an IDX header of {} dimension{} has {}",
                                 path.string(), bytes.size(), dimensions,
                                 dimensions == 1 ? "" : "s", header));
  }
  const auto expected = static_cast<std::uint32_t>(0x0800 + dimensions);
  const std::uint32_t magic = big_endian(bytes, 0);
  if (magic != expected) {
    throw InputError(fmt::format(
        "{}: wrong magic number {:#010x}; an IDX file of bytes with {} dimension{} has {:#010x}",
        path.string(), magic, dimensions, dimensions == 1 ? "" : "s", expected));
  }
  Idx idx;
  std::uint64_t size = 1;
  for (std::size_t d = 0; d < dimensions; ++d) {
    idx.sizes.push_back(big_endian(bytes, 4 + 4 * d));
    // Saturate, so that no product overflows: past 2 GiB every announcement is wrong.
    size = std::min(size * idx.sizes.back(), std::uint64_t{1} << 31);
  }
  if (bytes.size() - header != size) {
    throw InputError(fmt::format(
        "{}: {}: the header announces {} bytes of data, the file has {}", path.string(),
        bytes.size() - header < size ? "truncated" : "too long", size, bytes.size() - header));
  }
  idx.data.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
  return idx;
}

}  // namespace

Split read_idx_split(const std::filesystem::path& images, const std::filesystem::path& labels,
                     const Shape& shape, int classes) {
  Idx pixels = read_idx(images, 3);
  Idx answers = read_idx(labels, 1);
  if (pixels.sizes[1] != static_cast<std::uint32_t>(shape.height) ||
      pixels.sizes[2] != static_cast<std::uint32_t>(shape.width)) {
    throw InputError(fmt::format("{}: images of {}x{}; this data set has {}x{}", images.string(),
                                 pixels.sizes[1], pixels.sizes[2], shape.height, shape.width));
  }
  if (pixels.sizes[0] != answers.sizes[0]) {
    throw InputError(fmt::format("{}: {} labels, but {} has {} images", labels.string(),
                                 answers.sizes[0], images.string(), pixels.sizes[0]));
  }
  for (std::size_t i = 0; i < answers.data.size(); ++i) {
    if (answers.data[i] < classes) continue;
    throw InputError(fmt::format("{}: label {} of image {}; labels go from 0 to {}",
                                 labels.string(), answers.data[i], i, classes - 1));
  }
  return {.images = std::move(pixels.data), .labels = std::move(answers.data)};
}

Dataset read_idx_folder(const std::string& name, const std::filesystem::path& folder,
                        const Shape& shape, int classes) {
  const auto split = [&](const std::string& prefix) {
    return read_idx_split(need_file(folder, prefix + "-images-idx3-ubyte"),
                          need_file(folder, prefix + "-labels-idx1-ubyte"), shape, classes);
  };
  return {.name = name,
          .shape = shape,
          .classes = classes,
          .train = split("train"),
          .test = split("t10k"),
          .origin = folder.string()};
}

}  // namespace redoubt
