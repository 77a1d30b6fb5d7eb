// Data files written for a test: IDX files as MNIST has them, plain or packed.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace redoubt::test {

/// An IDX file's bytes: magic number, sizes (high byte first), data.
inline std::string idx_bytes(std::uint32_t magic, std::initializer_list<std::uint32_t> sizes,
                             std::string_view data) {
  std::string bytes;
  const auto append = [&](std::uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  };
  append(magic);
  for (const std::uint32_t size : sizes) append(size);
  return bytes.append(data);
}

constexpr std::uint32_t kImagesMagic = 0x00000803;
constexpr std::uint32_t kLabelsMagic = 0x00000801;

/// `count` images of 28x28; byte j of image i is (3·i + j) mod 251.
inline std::string image_data(int count) {
  std::string data;
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < 28 * 28; ++j) data += static_cast<char>((3 * i + j) % 251);
  }
  return data;
}
inline std::string image_file(int count) {
  return idx_bytes(kImagesMagic, {static_cast<std::uint32_t>(count), 28, 28}, image_data(count));
}

/// Labels 0, 1, ... 9, 0, ...
inline std::string label_data(int count) {
  std::string data;
  for (int i = 0; i < count; ++i) data += static_cast<char>(i % 10);
  return data;
}
inline std::string label_file(int count) {
  return idx_bytes(kLabelsMagic, {static_cast<std::uint32_t>(count)}, label_data(count));
}

/// The four files of a small MNIST in a folder.
inline void write_small_mnist(const std::filesystem::path& folder, int train, int test) {
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const std::string& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
  };
  write("train-images-idx3-ubyte", image_file(train));
  write("train-labels-idx1-ubyte", label_file(train));
  write("t10k-images-idx3-ubyte", image_file(test));
  write("t10k-labels-idx1-ubyte", label_file(test));
}

/// The bytes as a gzip file would hold them.
inline std::string packed(const TemporaryFolder& folder, std::string_view bytes) {
  const std::filesystem::path path = folder.path() / "packing.gz";
  gzFile file = gzopen(path.c_str(), "wb1");
  const int written = gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  if (gzclose(file) != Z_OK || written != static_cast<int>(bytes.size())) {
    throw std::runtime_error("cannot pack " + path.string());
  }
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::vector<std::uint8_t> as_bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

}  // namespace redoubt::test
