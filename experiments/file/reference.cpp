#include "experiments/file/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "experiments/file/experiment_schema.h"
#include "experiments/file/values.h"

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kStart = R"(# The experiment file

Every key that an experiment file may have. The program prints this page, `redoubt check
--reference`, from the keys by which it reads files, and a test compares the two. As a JSON Schema
(draft 2020-12) the same keys serve editors:

```sh
redoubt check --schema > experiment.schema.json
```

With `# yaml-language-server: $schema=experiment.schema.json` as a file's first line, editors that
speak with the YAML language server complete keys, show what they mean and mark what is wrong. Two
things pass the program and not the schema: numbers in quotes, and settings that only the points of
a sweep make right.

How to read the tables:

- A key that is left out has its default. `–` stands where there is none to name: for maps, whose own
  keys have theirs, and for keys that have to be given.
- A key with *only with* is refused where that does not hold.
- A key is named by the dots of its path in `--set federation.local.batch=32` on the command line and in
  a [sweep](#sweep).
- Numbers are plain decimal (`0.05`, `1e-3`); text need not be quoted.

Sections:

)";

/// The one block whose keys are the reader's own.
constexpr const char* kSweepKey = "sweep";
constexpr const char* kSweep =
    R"(Axes. `redoubt sweep` runs every combination of their places, each in
`<directory>/<name>/<point>/`. An axis is one of two:

- a key, with the dots of its path, over a list of words or numbers: `seed: [1, 2, 3]`;
- a name over named sets of keys, each with the dots of its path: `scale: {weak: {attack.scale: 2},
  strong: {attack.scale: 5, attack.poison.copies: 3}}`.

What a place sets comes after the file's own settings. Values and names of sets name folders and may hold
no `/`, `,` or `=`. A value elsewhere in the file may name an axis, which stands for the point's place on
it: `initial: start-${seed}.safetensors`.
)";

std::string code(const std::string& text) { return "`" + text + "`"; }

/// As YAML would have it: text without quotes.
std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> items;
  for (const Json& item : value) items.push_back(plain(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

/// What Markdown would take for a mark stands for itself.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '|' || c == '<') result += '\\';
    result += c;
  }
  return result;
}

/// The anchor that GitHub gives a heading.
std::string anchor(const std::string& heading) {
  std::string name;
  for (const char c : heading) {
    if (c == ' ') name += '-';
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_') {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return name;
}

std::string link_to(const std::string& heading) {
  return fmt::format("[{}](#{})", heading, anchor(heading));
}

std::string words_text(const Json& words) {
  std::vector<std::string> texts;
  for (const Json& word : words) texts.push_back(word.is_null() ? "null" : code(plain(word)));
  return names_text(texts);
}

std::string number_text(const Json& schema, bool whole) {
  std::string text = whole ? "whole number" : "number";
  const bool above = schema.contains("exclusiveMinimum");
  const bool below = schema.contains("exclusiveMaximum");
  const Json low = schema.value(above ? "exclusiveMinimum" : "minimum", Json());
  const Json high = schema.value(below ? "exclusiveMaximum" : "maximum", Json());
  // What an int or a double can hold is no bound to tell of.
  const bool bounded = !high.is_null() && std::abs(high.get<double>()) < 0x1p31 - 1;
  if (low.is_null() || low.get<double>() <= -0x1p30) return text;
  if (!bounded) return text + (above ? " above " : ", at least ") + low.dump();
  return text + fmt::format(" {} {} to {}{}", above ? "above" : "from", low.dump(),
                            below ? "below " : "", high.dump());
}

/// "only with `kind: dirichlet`"
std::string needs_text(const Json& needs) {
  std::vector<std::string> texts;
  for (const auto& [key, must] : needs.at("properties").items()) {
    if (must.contains("enum")) {
      texts.push_back(fmt::format("{} as {}", code(key), words_text(must["enum"])));
    } else if (must.contains("const") && !must["const"].is_null()) {
      texts.push_back(code(key + ": " + plain(must["const"])));
    } else if (must.contains("const") || must.contains("maxItems")) {
      texts.push_back("no " + code(key));
    } else {
      texts.push_back(code(key));
    }
  }
  return fmt::format("*Only with {}.*", fmt::join(texts, " and "));
}

bool is_map(const Json& schema) { return schema.contains("properties"); }

/// A definition's alternatives: the name alone, or one entry of a map.
bool is_alternatives(const Json& schema) {
  return schema.contains("oneOf") && schema["oneOf"].back().contains("maxProperties");
}

class Page {
 public:
  explicit Page(const Json& schema) : schema_(schema), text_(kStart) {}

  std::string text() {
    const Json& properties = schema_.at("properties");
    for (const auto& [key, value] : properties.items()) {
      if (key == kSweepKey || has_section(value)) text_ += fmt::format("- {}\n", link_to(key));
    }
    heading(2, "The whole file");
    table(schema_, "");
    for (const auto& [key, value] : properties.items()) section(key, value);
    return std::move(text_);
  }

 private:
  /// Of a schema's parts that have keys of their own, the first: every value has at most one, or
  /// one definition several times.
  const Json* part_with_section(const Json& schema) const {
    if (schema.contains("$ref") || is_map(schema)) return &schema;
    for (const char* inside : {"items", "additionalProperties"}) {
      if (!schema.contains(inside) || !schema[inside].is_object()) continue;
      if (const Json* part = part_with_section(schema[inside])) return part;
    }
    if (!schema.contains("oneOf")) return nullptr;
    for (const Json& one : schema["oneOf"]) {
      if (const Json* part = part_with_section(one)) return part;
    }
    return nullptr;
  }
  bool has_section(const Json& schema) const { return part_with_section(schema) != nullptr; }

  const Json& definition(const Json& reference) const {
    const std::string path = reference.at("$ref").get<std::string>();
    return schema_.at("$defs").at(path.substr(path.rfind('/') + 1));
  }

  /// "whole number from 1 to 9"; `path` is where the value's own section stands.
  std::string value_text(const Json& schema, const std::string& path) const {
    if (path == kSweepKey) return "map, see " + link_to(path);
    if (schema.contains("$ref")) {
      const auto known = sections_.find(schema["$ref"].get<std::string>());
      return "see " + link_to(known == sections_.end() ? path : known->second);
    }
    if (schema.contains("enum")) return words_text(schema["enum"]);
    if (schema.contains("oneOf")) {
      std::vector<std::string> texts;
      bool plain_words = true;
      for (const Json& one : schema["oneOf"]) {
        texts.push_back(value_text(one, path));
        plain_words = plain_words && texts.back().find_first_of(" ,") == std::string::npos;
      }
      return plain_words ? names_text(texts) : fmt::format("{}", fmt::join(texts, "; or "));
    }
    const Json type = schema.value("type", Json());
    const bool or_null = type.is_array() && type.back() == "null";
    return typed_text(schema, type.is_array() ? type.front() : type, path) +
           (or_null ? "; or null" : "");
  }

  std::string typed_text(const Json& schema, const std::string& type,
                         const std::string& path) const {
    if (type == "array") return "list of: " + value_text(schema.at("items"), path);
    if (type == "boolean") return "`true` or `false`";
    if (type == "integer" || type == "number") return number_text(schema, type == "integer");
    if (type == "null") return "null";
    if (type == "string") return "text";
    if (is_map(schema)) return "map, see " + link_to(path);
    if (!schema.contains("additionalProperties")) return "map";
    return "map of names over " + value_text(schema["additionalProperties"], path);
  }

  void heading(int level, const std::string& title) {
    text_ += fmt::format("\n{} {}\n\n", std::string(static_cast<std::size_t>(level), '#'), title);
  }

  void table(const Json& map, const std::string& path) {
    text_ += "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
    const Json required = map.value("required", Json::array());
    for (const auto& [key, value] : map.at("properties").items()) {
      std::string meaning = escaped(value.value("description", ""));
      if (value.contains("const")) {
        meaning = "names this alternative";
      } else if (std::find(required.begin(), required.end(), key) != required.end()) {
        meaning += meaning.empty() ? "has to be given" : "; has to be given";
      }
      if (map.contains("dependentSchemas") && map["dependentSchemas"].contains(key)) {
        meaning += ". " + needs_text(map["dependentSchemas"][key]);
      }
      text_ += fmt::format(
          "| {} | {} | {} | {} |\n", code(key),
          value.contains("const") ? code(plain(value["const"]))
                                  : value_text(value, path.empty() ? key : path + "." + key),
          value.contains("default") ? code(plain(value["default"])) : "–", meaning);
    }
  }

  /// The section of a key whose value has keys of its own, and those below it.
  void section(const std::string& path, const Json& value) {
    if (path == kSweepKey) {
      heading(2, path);
      text_ += kSweep;
    }
    const Json* part = part_with_section(value);
    if (part == nullptr) return;
    const auto dots = std::count(path.begin(), path.end(), '.');
    const int level = std::min(4, 2 + static_cast<int>(dots));
    if (part->contains("$ref")) {
      const std::string name = part->at("$ref");
      if (!sections_.emplace(name, path).second) return;
      heading(level, path);
      alternatives(level, path, definition(*part));
      return;
    }
    heading(level, path);
    map(path, *part);
  }

  void map(const std::string& path, const Json& schema) {
    table(schema, path);
    for (const auto& [key, value] : schema.at("properties").items())
      section(path + "." + key, value);
  }

  void alternatives(int level, const std::string& path, const Json& schema) {
    const bool keyed = !is_alternatives(schema);
    const auto title = [&](const std::string& name) {
      return keyed ? path + " of kind " + name : path + "." + name;
    };
    // Name, description and settings of each.
    std::vector<std::pair<std::string, const Json*>> all;
    if (keyed) {
      for (const Json& one : schema["oneOf"]) {
        if (!is_map(one)) continue;  // the names alone
        all.emplace_back(one["properties"].front()["const"].get<std::string>(), &one);
      }
    } else {
      for (const auto& [name, one] : schema["oneOf"].back()["properties"].items()) {
        all.emplace_back(name, &one);
      }
    }
    text_ += keyed ? "A map whose first key chooses among these, or the name alone:\n\n"
                   : "One of these: the name alone, or `{name: {settings}}`.\n\n";
    text_ += "| name | meaning |\n| --- | --- |\n";
    for (const auto& [name, one] : all) {
      const std::string shown = settings_of(*one)
                                    ? fmt::format("[{}](#{})", code(name), anchor(title(name)))
                                    : code(name);
      text_ += fmt::format("| {} | {} |\n", shown, escaped(one->value("description", "")));
    }
    for (const auto& [name, one] : all) {
      const Json* settings = settings_of(*one);
      if (settings == nullptr) continue;
      heading(std::min(5, level + 1), title(name));
      if (one->contains("oneOf")) {
        text_ += fmt::format(
            "The first of these may stand alone: `{}: {{{}: value}}` is `{}: value`.\n\n", name,
            first_setting(*settings), name);
      }
      map(title(name), *settings);
    }
  }

  /// The map of an alternative's settings; nullptr if it has none.
  static const Json* settings_of(const Json& one) {
    const Json* map = &one;
    if (one.contains("oneOf")) {
      const Json& forms = one["oneOf"];
      map = &*std::find_if(forms.begin(), forms.end(), is_map);
    }
    const Json& properties = map->at("properties");
    const bool only_its_name = properties.size() == 1 && properties.front().contains("const");
    return properties.empty() || only_its_name ? nullptr : map;
  }

  /// `name`, which every layer has, is none that may stand alone.
  static std::string first_setting(const Json& map) {
    for (const auto& [key, value] : map.at("properties").items()) {
      if (key != "name") return key;
    }
    return "";
  }

  const Json& schema_;
  std::string text_;
  std::map<std::string, std::string> sections_;  ///< of definitions: "$ref" over heading
};

}  // namespace

std::string experiment_reference() {
  const Json schema = experiment_schema();
  return Page(schema).text();
}

}  // namespace redoubt::experiments
