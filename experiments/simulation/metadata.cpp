#include "experiments/simulation/metadata.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/check.h"
#include "base/parse_number.h"

namespace redoubt::experiments {

namespace {

constexpr const char* kLowest = "lowest_input";
constexpr const char* kHighest = "highest_input";
const std::string kPruned = "pruned.";  // and a layer's name: "3,17,20"

/// The whole of `text` as a number in [low, high].
std::optional<int> parsed(std::string_view text, int low, int high) {
  const auto value = parsed_number<int>(text);
  return value && *value >= low && *value <= high ? value : std::nullopt;
}

}  // namespace

int whole_number(const TensorFile& file, const std::string& key, int low, int high,
                 const std::string& origin) {
  const auto found = file.metadata.find(key);
  if (found != file.metadata.end()) {
    if (const auto value = parsed(found->second, low, high)) return *value;
  }
  throw InputError(origin + ": damaged file: " + key + " is " +
                   (found == file.metadata.end() ? "not there" : "\"" + found->second + "\"") +
                   "; it must be a whole number from " + std::to_string(low) + " to " +
                   std::to_string(high));
}

kernels::ByteRange input_range_of(const TensorFile& file, const std::string& origin) {
  if (!file.metadata.contains(kLowest) && !file.metadata.contains(kHighest)) return {};
  const int lowest = whole_number(file, kLowest, 0, 255, origin);
  return {.lowest = static_cast<std::uint8_t>(lowest),
          .highest = static_cast<std::uint8_t>(whole_number(file, kHighest, lowest, 255, origin))};
}

void add_input_range(const kernels::ByteRange& range, TensorFile& file) {
  if (range == kernels::ByteRange()) return;
  file.metadata[kLowest] = std::to_string(range.lowest);
  file.metadata[kHighest] = std::to_string(range.highest);
}

std::vector<float> mask_of(const ParameterLayout& layout, const TensorFile& file,
                           const std::string& origin) {
  std::vector<float> mask(static_cast<std::size_t>(layout.mask_size()), 1.0F);
  for (const auto& [key, list] : file.metadata) {
    if (!key.starts_with(kPruned)) continue;
    const auto span = std::find_if(
        layout.channels().begin(), layout.channels().end(),
        [&](const ChannelSpan& other) { return other.name == key.substr(kPruned.size()); });
    const int last = span == layout.channels().end() ? -1 : span->channels - 1;
    std::istringstream numbers(list);
    for (std::string text; std::getline(numbers, text, ',');) {
      const auto channel = parsed(text, 0, last);
      if (!channel) {
        throw InputError(origin + ": " + key + " is \"" + list +
                         "\", and the model has no such channel");
      }
      mask[span->offset + *channel] = 0;
    }
  }
  return mask;
}

void add_mask(const ParameterLayout& layout, std::span<const float> mask, TensorFile& file) {
  for (const ChannelSpan& span : layout.channels()) {
    std::string pruned;
    for (int c = 0; c < span.channels; ++c) {
      if (mask[span.offset + c] != 0) continue;
      pruned += (pruned.empty() ? "" : ",") + std::to_string(c);
    }
    if (!pruned.empty()) file.metadata[kPruned + span.name] = pruned;
  }
}

}  // namespace redoubt::experiments
