// One value of an experiment file, with what a message needs to say where it stands.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <utility>
#include <vector>

namespace redoubt::experiments {

/// The file a value came from, and the overrides from the command line.
struct SpecSource {
  std::string name;                                            ///< "experiment.yaml"
  std::vector<std::pair<std::string, std::string>> overrides;  ///< key path, "key.path=value"
};

struct YamlValue {
  YAML::Node node;
  std::string path;  ///< "federation.local.batch"; empty for the whole file
  const SpecSource& source;
  int key_line = -1;  ///< counted from 0; stands in where the value is empty and so has no place

  /// Throws InputError: "file:line: path: message", or the override's text for what it set.
  [[noreturn]] void fail(const std::string& message) const;
  /// Fails with what was found and what is allowed.
  [[noreturn]] void fail_type(const std::string& allowed) const;

  /// Where the value under a key of this map stands: "federation.local".
  std::string path_to(const std::string& key) const;
  /// The value under a key of this map, or an undefined node.
  YamlValue child(const std::string& key) const;
  /// Item i of this list.
  YamlValue item(std::size_t i) const;
  /// The key and value of a map with exactly one key; anything else fails as no `allowed`.
  std::pair<std::string, YamlValue> only_entry(const std::string& allowed) const;
  bool is_null() const { return !node.IsDefined() || node.IsNull(); }
};

/// "the text \"abc\"", "a list", "a map", "nothing"
std::string describe_node(const YAML::Node& node);

/// Applies one "key.path=value" to a tree, making the maps that are missing, and notes it in the
/// source. Throws InputError if it has no '=' or its path runs through a value that is no map.
void apply_override(YAML::Node& root, const std::string& text, SpecSource& source);

}  // namespace redoubt::experiments
