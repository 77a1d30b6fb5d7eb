#include "experiments/file/yaml_value.h"

#include "base/check.h"
#include "base/printable.h"

namespace redoubt::experiments {

std::string describe_node(const YAML::Node& node) {
  if (!node.IsDefined() || node.IsNull()) return "nothing";
  if (node.IsScalar()) return in_quotes(node.Scalar());
  return node.IsMap() ? "a map" : "a list";
}

void YamlValue::fail(const std::string& message) const {
  constexpr std::size_t kLongest = 300;  // of a path in a message
  const std::string key = path.empty()              ? ""
                          : path.size() <= kLongest ? path + ": "
                                                    : path.substr(0, kLongest) + "...: ";
  // The last override of a key is the one that holds.
  for (auto it = source.overrides.rbegin(); it != source.overrides.rend(); ++it) {
    const auto& [set_path, text] = *it;
    if (path == set_path || path.starts_with(set_path + ".") || path.starts_with(set_path + "[")) {
      throw InputError("--set " + text + ": " + key + message);
    }
  }
  // A map that was merged from several stands nowhere itself.
  const bool nowhere = is_null() || node.Mark().is_null();
  const int line = nowhere && key_line >= 0 ? key_line : node.IsDefined() ? node.Mark().line : -1;
  const std::string place = line >= 0 ? ":" + std::to_string(line + 1) : "";
  throw InputError(source.name + place + ": " + key + message);
}

void YamlValue::fail_type(const std::string& allowed) const {
  fail("found " + describe_node(node) + "; it must be " + allowed);
}

std::string YamlValue::path_to(const std::string& key) const {
  return path.empty() ? key : path + "." + key;
}

YamlValue YamlValue::child(const std::string& key) const {
  const YAML::Node& map = node;
  YamlValue value = {map[key], path_to(key), source};
  for (const auto& pair : map) {
    if (pair.first.IsScalar() && pair.first.Scalar() == key)
      value.key_line = pair.first.Mark().line;
  }
  return value;
}

std::pair<std::string, YamlValue> YamlValue::only_entry(const std::string& allowed) const {
  if (!node.IsMap() || node.size() != 1) fail_type(allowed);
  const std::string key = node.begin()->first.Scalar();
  return {key, child(key)};
}

YamlValue YamlValue::item(std::size_t i) const {
  const YAML::Node& list = node;
  return {list[i], path + "[" + std::to_string(i) + "]", source};
}

void apply_override(YAML::Node& root, const std::string& text, SpecSource& source) {
  const std::size_t equals = text.find('=');
  const std::string path = text.substr(0, equals);
  if (equals == std::string::npos || path.empty() || path.front() == '.' || path.back() == '.' ||
      path.find("..") != std::string::npos) {
    throw InputError("--set " + text + ": it must look like key.path=value");
  }
  YAML::Node value;
  try {
    value = YAML::Load(text.substr(equals + 1));
  } catch (const YAML::Exception& error) {
    throw InputError("--set " + text + ": no YAML value: " + error.msg);
  }
  YAML::Node at = root;
  std::size_t begin = 0;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
    const std::string key = path.substr(begin, dot - begin);
    YAML::Node next = at[key];
    if (next.IsScalar() || next.IsSequence()) {
      throw InputError("--set " + text + ": " + path.substr(0, dot) + " is " + describe_node(next) +
                       ", no map; set it as a whole");
    }
    if (!next.IsMap()) next = YAML::Node(YAML::NodeType::Map);
    at[key] = next;
    at.reset(next);
    begin = dot + 1;
  }
  at[path.substr(begin)] = value;
  source.overrides.emplace_back(path, text);
}

}  // namespace redoubt::experiments
