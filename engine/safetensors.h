// Models as safetensors files, readable by every framework: an 8-byte little-endian header length,
// a JSON header, the tensors' bytes. Names and layouts are PyTorch's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/parameter_layout.h"

namespace redoubt {

/// One tensor of float32.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  bool operator==(const NamedTensor&) const = default;
};

/// One tensor of bytes. It is written for other programs; no reader here takes one.
struct ByteTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> values;
  bool operator==(const ByteTensor&) const = default;
};

struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors;
  std::vector<ByteTensor> bytes = {};  ///< written after the tensors

  /// The tensor of that name, or nullptr.
  const NamedTensor* find(const std::string& name) const;
};

/// Written beside and renamed. Throws InputError naming the file.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

/// Throws InputError naming the file and what is wrong with it: not there, truncated, no JSON, a
/// tensor that is not of floats (F32, F16 or BF16), overlaps another or leaves a gap, a shape that
/// disagrees with its bytes.
TensorFile read_safetensors(const std::filesystem::path& path);

/// A model's row (host memory) as tensors, in the layout's order.
std::vector<NamedTensor> tensors_of(const ParameterLayout& layout, std::span<const float> row);

/// Fills a row (host memory) from tensors. Every parameter must be there with its shape, and
/// nothing else but PyTorch's counts of batches. Throws InputError naming `origin` and the tensor.
void fill_row(const ParameterLayout& layout, const TensorFile& file, const std::string& origin,
              std::span<float> row);

}  // namespace redoubt
