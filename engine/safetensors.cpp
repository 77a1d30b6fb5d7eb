#include "engine/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/atomic_file.h"
#include "kernels/check.h"

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
  std::string content{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) throw InputError(path.string() + ": cannot read the model file");
  return content;
}

/// Reads one header entry; `bytes` are all tensors' bytes.
NamedTensor read_tensor(const std::string& name, const Json& entry, std::string_view bytes) {
  if (entry.at("dtype") != "F32") {
    throw InputError("tensor " + name + " is of type " + entry.at("dtype").dump() +
                     "; only F32 can be read");
  }
  NamedTensor tensor = {
      .name = name, .shape = entry.at("shape").get<std::vector<std::int64_t>>(), .values = {}};
  const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > bytes.size()) {
    throw InputError("tensor " + name + " lies outside the file, which is perhaps truncated");
  }
  std::uint64_t count = 1;
  for (const std::int64_t size : tensor.shape) {
    if (size < 0 || (size > 0 && count > bytes.size() / static_cast<std::uint64_t>(size))) {
      throw InputError("tensor " + name + " has the impossible shape " + shape_text(tensor.shape));
    }
    count *= static_cast<std::uint64_t>(size);
  }
  if (offsets[1] - offsets[0] != count * sizeof(float)) {
    throw InputError("tensor " + name + " has shape " + shape_text(tensor.shape) + " but " +
                     std::to_string(offsets[1] - offsets[0]) + " bytes");
  }
  tensor.values.resize(count);
  if (count > 0)
    std::memcpy(tensor.values.data(), bytes.data() + offsets[0], count * sizeof(float));
  return tensor;
}

TensorFile parse(std::string_view content) {
  std::uint64_t length = 0;
  if (content.size() < kLengthBytes) throw InputError("the file is too short for a header");
  std::memcpy(&length, content.data(), kLengthBytes);
  if (length > content.size() - kLengthBytes) {
    throw InputError("the header of " + std::to_string(length) +
                     " bytes does not fit into the file; it is truncated or no safetensors file");
  }
  const Json header = Json::parse(content.substr(kLengthBytes, length));
  const std::string_view bytes = content.substr(kLengthBytes + length);
  if (!header.is_object()) throw InputError("the header is no JSON object");
  TensorFile file;
  std::uint64_t used = 0;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      file.metadata = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    file.tensors.push_back(read_tensor(name, entry, bytes));
    used += file.tensors.back().values.size() * sizeof(float);
  }
  if (used != bytes.size()) {
    throw InputError("the tensors take " + std::to_string(used) + " bytes, the file has " +
                     std::to_string(bytes.size()) + " for them");
  }
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
  for (const NamedTensor& tensor : file.tensors) {
    const std::uint64_t end = offset + tensor.values.size() * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  std::string content(reinterpret_cast<const char*>(&length), kLengthBytes);
  content += text;
  content.reserve(content.size() + offset);
  for (const NamedTensor& tensor : file.tensors) {
    content.append(reinterpret_cast<const char*>(tensor.values.data()),
                   tensor.values.size() * sizeof(float));
  }
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
    const auto values =
        row.subspan(static_cast<std::size_t>(span.offset), static_cast<std::size_t>(span.size));
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
    std::copy(tensor->values.begin(), tensor->values.end(),
              row.begin() + static_cast<std::ptrdiff_t>(span.offset));
  }
}

}  // namespace redoubt
