#include "experiments/simulation/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/check.h"
#include "base/parse_number.h"
#include "base/printable.h"

namespace redoubt::experiments {

namespace {

constexpr const char* kLowest = "lowest_input";
constexpr const char* kHighest = "highest_input";
constexpr const char* kMean = "normalization.mean";  // "0.49,0.48,0.45", of byte / 255
constexpr const char* kDeviation = "normalization.std";
const std::string kPruned = "pruned.";  // and a layer's name: "3,17,20"
const std::string kZeroed = "zeroed.";  // and a tensor's name: places in it, row by row

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
                   (found == file.metadata.end() ? "not there" : in_quotes(found->second)) +
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

namespace {

/// The numbers of a list "3,17,20", each from 0 to `last`. Throws InputError naming the key and
/// what there is none of.
std::vector<int> places_in(const std::string& key, const std::string& list, int last,
                           const std::string& origin, const char* what) {
  std::vector<int> places;
  std::istringstream numbers(list);
  for (std::string text; std::getline(numbers, text, ',');) {
    const auto place = parsed(text, 0, last);
    if (!place) {
      throw InputError(origin + ": " + key + " is " + in_quotes(list) +
                       ", and the model has no such " + what);
    }
    places.push_back(*place);
  }
  return places;
}

/// The places where `values` holds 0, as such a list.
std::string zeros_of(std::span<const float> values) {
  std::string list;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) list += (list.empty() ? "" : ",") + std::to_string(i);
  }
  return list;
}

}  // namespace

std::vector<float> mask_of(const ParameterLayout& layout, const TensorFile& file,
                           const std::string& origin) {
  std::vector<float> mask(static_cast<std::size_t>(layout.mask_size()), 1.0F);
  for (const auto& [key, list] : file.metadata) {
    if (!key.starts_with(kPruned)) continue;
    const std::string name = key.substr(kPruned.size());
    const auto span = std::find_if(layout.channels().begin(), layout.channels().end(),
                                   [&](const ChannelSpan& other) { return other.name == name; });
    if (span == layout.channels().end()) {
      throw InputError(origin + ": " + key + " is " + in_quotes(list) +
                       ", and the model has no such channel");
    }
    for (const int channel : places_in(key, list, span->channels - 1, origin, "channel")) {
      mask[span->offset + channel] = 0;
    }
    const auto own = std::span(mask).subspan(span->offset, span->channels);
    if (std::all_of(own.begin(), own.end(), [](float channel) { return channel == 0; })) {
      throw InputError(origin + ": " + key + " lists all " + std::to_string(span->channels) +
                       " channels: the model would answer nothing");
    }
  }
  return mask;
}

void add_mask(const ParameterLayout& layout, std::span<const float> mask, TensorFile& file) {
  for (const ChannelSpan& span : layout.channels()) {
    const std::string pruned = zeros_of(mask.subspan(span.offset, span.channels));
    if (!pruned.empty()) file.metadata[kPruned + span.name] = pruned;
  }
}

std::vector<std::int64_t> zeroed_in(const ParameterLayout& layout, const TensorFile& file,
                                    const std::string& origin) {
  std::vector<std::int64_t> columns;
  for (const auto& [key, list] : file.metadata) {
    if (!key.starts_with(kZeroed)) continue;
    const std::string name = key.substr(kZeroed.size());
    const ParameterSpan* span = layout.find(name);
    const NamedTensor* tensor = file.find(name);
    const bool there =
        span != nullptr && tensor != nullptr && std::ssize(tensor->values) == span->size;
    const int last = there ? static_cast<int>(span->size) - 1 : -1;
    for (const int place : places_in(key, list, last, origin, "weight")) {
      if (tensor->values[place] != 0) {
        throw InputError(origin + ": " + key + " lists " + std::to_string(place) +
                         ", a weight that is not 0");
      }
      columns.push_back(span->offset + place);
    }
  }
  return columns;
}

void add_zeroed(const ParameterLayout& layout, std::span<const float> kept, TensorFile& file) {
  for (const ParameterSpan& span : layout.spans()) {
    const std::string zeroed = zeros_of(kept.subspan(span.offset, span.size));
    if (!zeroed.empty()) file.metadata[kZeroed + span.name] = zeroed;
  }
}

std::optional<Normalization> normalization_of(const TensorFile& file, const std::string& origin) {
  const auto numbers = [&](const char* key) {
    std::vector<float> list;
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) return list;
    std::istringstream texts(found->second);
    for (std::string text; std::getline(texts, text, ',');) {
      const auto number = parsed_number<float>(text);
      if (!number) {
        throw InputError(origin + ": " + key + " is " + in_quotes(found->second) +
                         "; it must be numbers with commas between them");
      }
      list.push_back(*number);
    }
    return list;
  };
  Normalization normalization = {.mean = numbers(kMean), .deviation = numbers(kDeviation)};
  if (normalization == Normalization()) return {};
  return normalization;
}

void add_normalization(const Normalization& normalization, TensorFile& file) {
  file.metadata[kMean] = fmt::format("{}", fmt::join(normalization.mean, ","));
  file.metadata[kDeviation] = fmt::format("{}", fmt::join(normalization.deviation, ","));
}

}  // namespace redoubt::experiments
