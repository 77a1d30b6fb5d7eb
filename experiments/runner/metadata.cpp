#include "experiments/runner/metadata.h"

#include <charconv>

#include "kernels/check.h"

namespace redoubt::runner {

namespace {

constexpr const char* kLowest = "lowest_input";
constexpr const char* kHighest = "highest_input";

}  // namespace

int whole_number(const TensorFile& file, const std::string& key, int low, int high,
                 const std::string& origin) {
  const auto found = file.metadata.find(key);
  int value = 0;
  if (found != file.metadata.end()) {
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) {
      return value;
    }
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

}  // namespace redoubt::runner
