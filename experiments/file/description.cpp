#include "experiments/file/description.h"

#include <fmt/format.h>

#include <charconv>

namespace redoubt::experiments {

std::string Limits::text(bool whole) const {
  std::string kind = whole ? "a whole number" : "a number";
  if (std::isfinite(low) && std::isfinite(high) && std::abs(high) < 0x1p31) {
    return kind + fmt::format(" {} {} to {}{}", above ? "above" : "from", low,
                              below ? "below " : "", high);
  }
  if (!std::isfinite(low) || low <= -0x1p31) return kind;
  return kind + (above ? fmt::format(" above {}", low) : fmt::format(", at least {}", low));
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

double read_number(const YamlValue& value, const Limits& limits, bool whole) {
  if (!value.node.IsScalar()) value.fail_type(limits.text(whole));
  const std::string& text = value.node.Scalar();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool parsed = error == std::errc() && end == text.data() + text.size();
  if (!parsed || !std::isfinite(number) || (whole && number != std::floor(number)) ||
      !limits.allow(number)) {
    value.fail_type(limits.text(whole));
  }
  return number;
}

std::string names_text(std::span<const std::string> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

Reader::Reader(const YamlValue& value) : value_(value) {
  if (!value.node.IsMap()) value.fail_type("a map of keys");
  std::vector<std::string> seen;
  for (const auto& pair : value.node) {
    const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "";
    const YamlValue at = {pair.first, value.child(key).path, value.source};
    if (!pair.first.IsScalar()) at.fail("a key must be a word");
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) at.fail("the key is there twice");
    seen.push_back(key);
  }
}

void Reader::finish() const {
  for (const auto& pair : value_.node) {
    const std::string key = pair.first.Scalar();
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const YamlValue at = {pair.first, value_.child(key).path, value_.source};
    at.fail("unknown key" + suggestion(key, known_));
  }
  if (!missing_.empty()) value_.fail("found no " + missing_.front() + ", which has to be given");
}

void Writer::write_number(double value, bool single) {
  // The shortest text that reads back to the same number.
  emitter_ << (single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value));
}

}  // namespace redoubt::experiments
