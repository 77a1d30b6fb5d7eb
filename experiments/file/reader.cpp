#include "experiments/file/reader.h"

#include "base/parse_number.h"

namespace redoubt::experiments {

std::string names_text(std::span<const std::string> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

std::string read_text(const YamlValue& value) {
  if (!value.node.IsScalar()) value.fail_type("a single value");
  return value.node.Scalar();
}

std::string read_word(const YamlValue& value, const std::vector<std::string>& names,
                      const char* what) {
  const std::string text = read_text(value);
  if (std::find(names.begin(), names.end(), text) == names.end()) {
    value.fail("found \"" + text + "\", which is not " + what + suggestion(text, names));
  }
  return text;
}

namespace {

/// A single value that is a finite number.
std::optional<double> number_in(const YamlValue& value) {
  if (!value.node.IsScalar()) return {};
  const auto number = parsed_number<double>(value.node.Scalar());
  return number && std::isfinite(*number) ? number : std::nullopt;
}

}  // namespace

double read_number(const YamlValue& value, const Limits& limits, bool whole) {
  const auto number = number_in(value);
  if (!number || (whole && *number != std::floor(*number)) || !limits.allow(*number)) {
    value.fail_type(limits_text(limits, whole));
  }
  return *number;
}

bool FormReader::is_number() const { return number_in(value_).has_value(); }

Reader::Reader(const YamlValue& value) : Reader(value, nullptr) {
  if (!value.node.IsMap()) value.fail_type("a map of keys");
  std::vector<std::string> seen;
  for (const auto& pair : value.node) {
    const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "";
    const YamlValue at = {pair.first, value.path_to(key), value.source};
    if (!pair.first.IsScalar()) at.fail("a key must be a word");
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) at.fail("the key is there twice");
    seen.push_back(key);
  }
}

Reader::Reader(const YamlValue& value, const void* member)
    : map_(std::make_shared<Map>(Map{.value = value, .alone = member})) {}

std::optional<YamlValue> Reader::take(const char* key, const void* member) {
  map_->known.emplace_back(key);
  if (map_->alone != nullptr) {
    return member == map_->alone ? std::optional(map_->value) : std::nullopt;
  }
  YamlValue value = map_->value.child(key);
  if (!value.node.IsDefined()) return {};
  if (!refusal_.empty()) value.fail(refusal_);
  return value;
}

void Reader::note_required(const char* key, const void* member) {
  const bool there =
      map_->alone != nullptr ? member == map_->alone : map_->value.child(key).node.IsDefined();
  if (!there && refusal_.empty()) map_->missing.emplace_back(key);
}

Reader Reader::unless(const std::string& refusal) const {
  Reader reader = *this;
  if (reader.refusal_.empty()) reader.refusal_ = refusal;
  return reader;
}

void Reader::finish() const {
  const YamlValue& value = map_->value;
  if (map_->alone == nullptr) {
    for (const auto& pair : value.node) {
      const std::string key = pair.first.Scalar();
      if (std::find(map_->known.begin(), map_->known.end(), key) != map_->known.end()) continue;
      const YamlValue at = {pair.first, value.path_to(key), value.source};
      at.fail("unknown key" + suggestion(key, map_->known));
    }
  }
  if (!map_->missing.empty()) {
    value.fail("found no " + map_->missing.front() + ", which has to be given");
  }
}

}  // namespace redoubt::experiments
