#include "experiments/file/reader.h"

#include <unordered_set>

#include "base/parse_number.h"
#include "base/printable.h"

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
    value.fail("found " + in_quotes(text) + ", which is not " + what + suggestion(text, names));
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

namespace {

constexpr const char* kMergeKey = "<<";

/// The map with what `<<` names, a map or a list of them, under the keys that it does not have
/// itself, of several maps the first's (YAML 1.1, the merge key).
YAML::Node merged(const YamlValue& value, int depth) {
  constexpr int kDeepest = 32;
  if (depth > kDeepest) value.fail("maps are merged into one another too deep");
  YAML::Node all(YAML::NodeType::Map);
  std::unordered_set<std::string> keys;
  const auto add = [&](const YAML::Node& map) {
    for (const auto& pair : map) {
      if (!pair.first.IsScalar() || pair.first.Scalar() == kMergeKey) continue;
      if (keys.insert(pair.first.Scalar()).second) all.force_insert(pair.first, pair.second);
    }
  };
  add(value.node);
  const YamlValue others = value.child(kMergeKey);
  if (!others.node.IsDefined()) return all;
  const auto merge = [&](const YamlValue& other) {
    if (!other.node.IsMap()) other.fail_type("a map, or a list of maps, to be merged");
    add(merged(other, depth + 1));
  };
  if (!others.node.IsSequence()) {
    merge(others);
    return all;
  }
  for (std::size_t i = 0; i < others.node.size(); ++i) merge(others.item(i));
  return all;
}

}  // namespace

bool FormReader::is_number() const { return number_in(value_).has_value(); }

Reader::Reader(const YamlValue& value) : Reader(value, nullptr) {
  if (!value.node.IsMap()) value.fail_type("a map of keys");
  std::unordered_set<std::string> seen;
  bool merges = false;
  for (const auto& pair : value.node) {
    const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "";
    const YamlValue at = {pair.first, value.path_to(printable(key)), value.source};
    if (!pair.first.IsScalar()) at.fail("a key must be a word");
    if (!seen.insert(key).second) at.fail("the key is there twice");
    merges = merges || key == kMergeKey;
  }
  if (merges) map_->value.node = merged(value, 0);
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
      const YamlValue at = {pair.first, value.path_to(printable(key)), value.source};
      at.fail("unknown key" + suggestion(key, map_->known));
    }
  }
  if (!map_->missing.empty()) {
    value.fail("found no " + map_->missing.front() + ", which has to be given");
  }
}

}  // namespace redoubt::experiments
