#include "engine/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/printable.h"

namespace redoubt {

namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kLengthBytes = 8;

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InputError(path.string() + ": cannot open the model file");
  std::ostringstream content;
  // Inserting nothing at all counts as a failure of `content`, so an empty file is let through.
  if (stream.peek() != std::ifstream::traits_type::eof()) content << stream.rdbuf();
  if (stream.bad() || content.fail()) {
    throw InputError(path.string() + ": cannot read the model file");
  }
  return std::move(content).str();
}

/// Where a tensor's bytes lie, counted from the first byte after the header.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string tensor;
};

/// A list of whole numbers that are not negative.
std::vector<std::int64_t> whole_numbers(const std::string& tensor, const Json& entry,
                                        const char* key) {
  const auto found = entry.find(key);
  const bool good = found != entry.end() && found->is_array() &&
                    std::all_of(found->begin(), found->end(), [](const Json& number) {
                      return number.is_number_integer() && number.get<std::int64_t>() >= 0;
                    });
  if (!good) {
    throw InputError(
        "tensor " + tensor + " has " +
        (found == entry.end() ? "no " + std::string(key) : std::string(key) + " " + found->dump()) +
        "; it must be a list of whole numbers");
  }
  return found->get<std::vector<std::int64_t>>();
}

/// Where an entry says that its tensor lies.
Extent extent_of(const std::string& name, const Json& entry, std::string_view bytes) {
  if (!entry.is_object()) throw InputError("tensor " + name + " has no map of properties");
  const std::vector<std::int64_t> offsets = whole_numbers(name, entry, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1] ||
      static_cast<std::uint64_t>(offsets[1]) > bytes.size()) {
    throw InputError("tensor " + name + " lies outside the file, which is perhaps truncated");
  }
  return {static_cast<std::uint64_t>(offsets[0]), static_cast<std::uint64_t>(offsets[1]), name};
}

/// PyTorch's batch norms count their batches, in whole numbers that nobody needs here.
bool is_batch_count(const std::string& name) { return name.ends_with(".num_batches_tracked"); }

template <class T>
T bits_at(const char* from) {
  T bits;
  std::memcpy(&bits, from, sizeof(T));
  return bits;
}

/// IEEE 754 binary16: a sign, 5 bits of exponent, 10 of mantissa. Each is a float, too.
float half_at(const char* from) {
  const auto bits = bits_at<std::uint16_t>(from);
  const int exponent = bits >> 10 & 0x1f;
  const int mantissa = bits & 0x3ff;
  float value = 0;
  if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else if (exponent == 0x1f) {
    value = mantissa == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  } else {
    value = std::ldexp(static_cast<float>(mantissa + 0x400), exponent - 25);
  }
  return bits >> 15 != 0 ? -value : value;
}

/// The upper half of a float.
float brain_float_at(const char* from) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits_at<std::uint16_t>(from)) << 16);
}

/// What a tensor's numbers may be stored as.
struct FloatType {
  const char* name;
  std::size_t bytes;
  float (*read)(const char* from);
};

const FloatType& type_of(const std::string& tensor, const Json& entry) {
  static constexpr std::array<FloatType, 3> kTypes = {
      {{"F32", 4, bits_at<float>}, {"F16", 2, half_at}, {"BF16", 2, brain_float_at}}};
  const auto type = entry.find("dtype");
  if (type != entry.end()) {
    for (const FloatType& known : kTypes) {
      if (*type == known.name) return known;
    }
  }
  throw InputError("tensor " + tensor + " is of type " +
                   (type == entry.end() ? "null" : type->dump()) +
                   "; only F32, F16 and BF16 can be read");
}

/// Reads one header entry; `bytes` are all tensors' bytes.
NamedTensor read_tensor(const std::string& name, const Json& entry, std::string_view bytes,
                        const Extent& extent) {
  const FloatType& type = type_of(name, entry);
  NamedTensor tensor = {.name = name, .shape = whole_numbers(name, entry, "shape"), .values = {}};
  std::uint64_t count = 1;
  for (const std::int64_t size : tensor.shape) {
    if (size > 0 && count > bytes.size() / static_cast<std::uint64_t>(size)) {
      throw InputError("tensor " + name + " of shape " + shape_text(tensor.shape) +
                       " is larger than the file");
    }
    count *= static_cast<std::uint64_t>(size);
  }
  if (extent.end - extent.begin != count * type.bytes) {
    throw InputError("tensor " + name + " has shape " + shape_text(tensor.shape) + " but " +
                     std::to_string(extent.end - extent.begin) + " bytes");
  }
  tensor.values.resize(count);
  const char* from = bytes.data() + extent.begin;
  for (float& value : tensor.values) {
    value = type.read(from);
    from += type.bytes;
  }
  return tensor;
}

/// Every byte belongs to exactly one tensor, as the format demands.
void check_extents(std::vector<Extent> extents, std::uint64_t bytes) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  Extent before;
  for (const Extent& extent : extents) {
    if (extent.begin < before.end) {
      throw InputError("tensor " + extent.tensor + " overlaps tensor " + before.tensor);
    }
    if (extent.begin > before.end) {
      throw InputError("a gap of " + std::to_string(extent.begin - before.end) +
                       " bytes lies before tensor " + extent.tensor);
    }
    before = extent;
  }
  if (before.end != bytes) {
    throw InputError(std::to_string(bytes - before.end) + " bytes are left over after " +
                     (extents.empty() ? "the header" : "tensor " + before.tensor));
  }
}

std::map<std::string, std::string> read_metadata(const Json& entry) {
  if (!entry.is_object()) throw InputError("__metadata__ is no map of texts");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) {
      throw InputError("__metadata__: " + in_quotes(key) + " is " +
                       in_quotes(value.dump(-1, ' ', true, Json::error_handler_t::replace)) +
                       "; it must be a text, as all metadata of safetensors are");
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

TensorFile parse(std::string_view content) {
  std::uint64_t length = 0;
  if (content.size() < kLengthBytes) {
    throw InputError("the file is too short for a header; it is truncated or no safetensors file");
  }
  std::memcpy(&length, content.data(), kLengthBytes);
  if (length > content.size() - kLengthBytes) {
    throw InputError("the header of " + std::to_string(length) +
                     " bytes does not fit into the file; it is truncated or no safetensors file");
  }
  const Json header = Json::parse(content.substr(kLengthBytes, length));
  const std::string_view bytes = content.substr(kLengthBytes + length);
  if (!header.is_object()) throw InputError("the header is no JSON object");
  TensorFile file;
  std::vector<Extent> extents;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      file.metadata = read_metadata(entry);
    } else {
      extents.push_back(extent_of(name, entry, bytes));
      if (is_batch_count(name)) continue;
      file.tensors.push_back(read_tensor(name, entry, bytes, extents.back()));
    }
  }
  check_extents(std::move(extents), bytes.size());
  return file;
}

}  // namespace

const NamedTensor* TensorFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::uint64_t offset = 0;
  const auto describe = [&](const auto& tensor, const char* type) {
    const std::uint64_t end = offset + std::span(tensor.values).size_bytes();
    header[tensor.name] = {
        {"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  };
  for (const NamedTensor& tensor : file.tensors) describe(tensor, "F32");
  for (const ByteTensor& tensor : file.bytes) describe(tensor, "U8");
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  std::string content(reinterpret_cast<const char*>(&length), kLengthBytes);
  content += text;
  content.reserve(content.size() + offset);
  const auto append = [&](const auto& tensor) {
    content.append(reinterpret_cast<const char*>(tensor.values.data()),
                   std::span(tensor.values).size_bytes());
  };
  for (const NamedTensor& tensor : file.tensors) append(tensor);
  for (const ByteTensor& tensor : file.bytes) append(tensor);
  write_file_atomically(path, content);
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  const std::string content = read_whole(path);
  try {
    return parse(content);
  } catch (const Json::exception& error) {
    throw InputError(path.string() + ": no safetensors file: " + error.what());
  } catch (const InputError& error) {
    throw InputError(path.string() + ": " + error.what());
  }
}

std::vector<NamedTensor> tensors_of(const ParameterLayout& layout, std::span<const float> row) {
  std::vector<NamedTensor> tensors;
  for (const ParameterSpan& span : layout.spans()) {
    const auto values = row.subspan(span.offset, span.size);
    tensors.push_back({.name = span.name,
                       .shape = {span.shape.begin(), span.shape.end()},
                       .values = {values.begin(), values.end()}});
  }
  return tensors;
}

void fill_row(const ParameterLayout& layout, const TensorFile& file, const std::string& origin,
              std::span<float> row) {
  for (const NamedTensor& tensor : file.tensors) {
    if (layout.find(tensor.name) == nullptr) {
      throw InputError(origin + ": tensor " + tensor.name + " is not in the model");
    }
  }
  std::fill(row.begin(), row.end(), 0.0F);
  for (const ParameterSpan& span : layout.spans()) {
    const NamedTensor* tensor = file.find(span.name);
    if (tensor == nullptr) {
      throw InputError(origin + ": tensor " + span.name + " of the model is missing");
    }
    const std::vector<std::int64_t> shape(span.shape.begin(), span.shape.end());
    if (tensor->shape != shape) {
      throw InputError(origin + ": tensor " + span.name + " has shape " +
                       shape_text(tensor->shape) + "; the model needs " + shape_text(shape));
    }
    const auto wild = std::find_if(tensor->values.begin(), tensor->values.end(),
                                   [](float value) { return !std::isfinite(value); });
    if (wild != tensor->values.end()) {
      throw InputError(origin + ": tensor " + span.name + " has " + std::to_string(*wild) +
                       " at place " + std::to_string(wild - tensor->values.begin()) +
                       "; a model's numbers are finite");
    }
    const auto below = std::find_if(tensor->values.begin(), tensor->values.end(),
                                    [&](float value) { return span.least && value < *span.least; });
    if (below != tensor->values.end()) {
      throw InputError(origin + ": tensor " + span.name + " has " + std::to_string(*below) +
                       "; it may be nowhere below " + std::to_string(*span.least));
    }
    std::copy(tensor->values.begin(), tensor->values.end(),
              row.begin() + static_cast<std::ptrdiff_t>(span.offset));
  }
}

}  // namespace redoubt
