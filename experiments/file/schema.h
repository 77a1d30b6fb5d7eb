// A JSON Schema (draft 2020-12) of experiment files: what an editor needs to complete, check and
// explain one. Made from the tables of keys by a third visitor beside Reader and Writer.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "experiments/file/description.h"

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

/// The schema of a whole file, `sweep` and `paper` blocks included. It passes every file that the
/// program takes, but for two habits: numbers in quotes, and settings that only a sweep's points
/// make right. It refuses unknown keys, wrong types and values out of range; settings that
/// contradict one another are left to the program.
Json experiment_schema();

/// Schemas that others refer to as "#/$defs/<name>".
using Definitions = Json;

/// The schema of a type's values. `fresh` is what a file that leaves keys out is read into.
/// Specialise it where `read` is specialised.
template <class T>
Json value_schema(const T& fresh, const Limits& limits, Definitions& definitions);

/// The schema of values that are no map, where Description<T>::shorthand reads them.
template <class T>
Json shorthand_schema();

/// The states that matter to which other keys a map has: an enumeration's values, a flag's, whether
/// an optional value is there or a list is empty.
template <class T>
struct States {
  static constexpr int count = 1;
};

/// A key whose states may decide about other keys.
struct DecidingKey {
  std::string key;
  int fresh = 0;                 ///< its state in a file that leaves it out
  std::vector<Json> conditions;  ///< [states] the schema of a value in that state
};

/// One visit of a map: what it was told to put some keys to, and what it then found.
struct MapVisit {
  std::map<std::string, int> states;  ///< of keys that the visit is to put elsewhere
  std::vector<std::string> keys;
};

/// What all visits of a map found, together.
struct MapOutline {
  std::vector<std::string> keys;  ///< in their order
  std::map<std::string, Json> properties;
  std::set<std::string> required;
  std::vector<DecidingKey> deciding;
  std::vector<MapVisit> visits;

  bool has(const std::string& key) const { return properties.contains(key); }
  /// A visit for each state of a key that was found to decide in a visit.
  void plan_visits(const DecidingKey& key, const MapVisit& found_in);
};

/// A closed map of the keys found; what a key needs of others stands under "dependentSchemas".
Json map_schema(const MapOutline& outline);

/// Exactly one of these.
Json one_of(std::vector<Json> schemas);
/// The schema that also passes null.
Json or_null(Json schema);
/// Bounds that are infinite are left out.
Json number_schema(const Limits& limits, bool whole);
Json text_schema();
/// A list of texts, or the texts of one.
Json words_schema(const std::vector<std::string>& words);
/// The default that a key's schema states, from the YAML that stands for it; null if there is none
/// to tell.
std::optional<Json> default_of(const std::string& yaml);
/// "an aggregation rule" -> "aggregation-rule"
std::string definition_name(const std::string& what);
Json reference_to(const std::string& definition);
/// {name: settings} of any one alternative, or the name alone.
Json alternatives_schema(const std::vector<Alternative>& table, const std::vector<Json>& settings);
/// {key: name, settings...} in one map.
Json keyed_alternatives_schema(const std::string& key, const std::vector<Alternative>& table,
                               std::size_t fresh, const std::vector<Json>& settings);

/// Walks over a description and notes each key.
class SchemaVisitor {
 public:
  static constexpr bool reads = false;
  static constexpr bool writes = false;

  /// Adds to the outline what visit `index` finds there.
  SchemaVisitor(MapOutline& outline, std::size_t index, Definitions& definitions)
      : outline_(outline), index_(index), definitions_(definitions) {}

  template <class T>
  void field(const char* key, T& to, const char* help, const Limits& limits = {}) {
    add(key, to, help, [&] { return value_schema(to, limits, definitions_); });
    decide(key, to);
  }
  template <class T>
  void required(const char* key, T& to, const char* help, const Limits& limits = {}) {
    field(key, to, help, limits);
    outline_.required.insert(key);
    outline_.properties[key].erase("default");
  }
  template <class T>
  void field_or(const char* key, std::optional<T>& to, const char* word, const char* help,
                const Limits& limits = {}) {
    const bool is_new = add(key, to, help, [&] {
      return one_of({words_schema({word}), value_schema(T(), limits, definitions_)});
    });
    if (is_new && !to) outline_.properties[key]["default"] = word;
  }
  template <class T>
  void part(const char* key, std::optional<T>& /*to*/, const T& fresh, const char* help) {
    // It has no default: it is there or not.
    add_schema(key, help, [&] { return or_null(value_schema(fresh, {}, definitions_)); });
  }
  void word(const char* key, std::string& to, const std::vector<std::string>& names,
            const char* /*what*/, const char* help) {
    add(key, to, help, [&] { return words_schema(names); });
  }

 private:
  template <class Make>
  bool add_schema(const std::string& key, const char* help, const Make& make) {
    const MapVisit& visit = outline_.visits[index_];
    const bool is_new = !outline_.has(key);
    if (is_new) {
      Json schema = {{"description", help}};
      schema.update(make());
      // Behind the key that stood before it in this visit.
      const auto before =
          visit.keys.empty()
              ? outline_.keys.begin()
              : std::find(outline_.keys.begin(), outline_.keys.end(), visit.keys.back()) + 1;
      outline_.keys.insert(before, key);
      outline_.properties[key] = std::move(schema);
    }
    outline_.visits[index_].keys.push_back(key);
    return is_new;
  }

  template <class T, class Make>
  bool add(const std::string& key, const T& value, const char* help, const Make& make) {
    const bool is_new = add_schema(key, help, make);
    if (!is_new) return false;
    YAML::Emitter emitter;
    emitter.SetNullFormat(YAML::LowerNull);
    if constexpr (requires(T & t) { Description<T>::shorthand(t); }) {
      T copy = value;
      Writer(emitter).write(Description<T>::shorthand(copy));
    } else {
      Writer(emitter).write(value);
    }
    if (const auto known = default_of(emitter.c_str()))
      outline_.properties[key]["default"] = *known;
    return true;
  }

  /// Puts the key where the visit is to see it, and plans visits of its other states.
  template <class T>
  void decide(const std::string& key, T& to) {
    if constexpr (States<T>::count > 1) {
      const bool known = std::any_of(outline_.deciding.begin(), outline_.deciding.end(),
                                     [&](const DecidingKey& other) { return other.key == key; });
      if (!known) {
        DecidingKey deciding = {.key = key, .fresh = States<T>::of(to), .conditions = {}};
        for (int state = 0; state < States<T>::count; ++state) {
          deciding.conditions.push_back(States<T>::condition(state));
        }
        outline_.plan_visits(deciding, MapVisit(outline_.visits[index_]));
      }
      const auto& states = outline_.visits[index_].states;
      if (const auto found = states.find(key); found != states.end()) {
        States<T>::put(to, found->second);
      }
    }
  }

  MapOutline& outline_;
  std::size_t index_;
  Definitions& definitions_;
};

template <Named T>
struct States<T> {
  static constexpr int count = static_cast<int>(EnumNames<T>::names.size());
  static int of(const T& value) {
    int state = 0;
    while (EnumNames<T>::names[static_cast<std::size_t>(state)].second != value) ++state;
    return state;
  }
  static void put(T& value, int state) {
    value = EnumNames<T>::names[static_cast<std::size_t>(state)].second;
  }
  static Json condition(int state) {
    return {{"const", EnumNames<T>::names[static_cast<std::size_t>(state)].first}};
  }
};
template <>
struct States<bool> {
  static constexpr int count = 2;
  static int of(bool value) { return value ? 1 : 0; }
  static void put(bool& value, int state) { value = state == 1; }
  static Json condition(int state) { return {{"const", state == 1}}; }
};
template <class T>
struct States<std::optional<T>> {
  static constexpr int count = 2;
  static int of(const std::optional<T>& value) { return value ? 1 : 0; }
  // Inlined, GCC 12 takes an empty optional's destructor for a use of what it does not hold.
  [[gnu::noinline]] static void put(std::optional<T>& value, int state) {
    value.reset();
    if (state == 1) value.emplace();
  }
  static Json condition(int state) {
    const Json null = {{"const", nullptr}};
    return state == 0 ? null : Json{{"not", null}};
  }
};
template <class T>
struct States<std::vector<T>> {
  static constexpr int count = 2;
  static int of(const std::vector<T>& value) { return value.empty() ? 0 : 1; }
  static void put(std::vector<T>& value, int state) { value.resize(state == 1 ? 1 : 0); }
  static Json condition(int state) {
    return state == 0 ? Json{{"maxItems", 0}} : Json{{"minItems", 1}};
  }
};

template <class T>
concept StringMap = requires {
  requires std::is_same_v<typename T::key_type, std::string>;
};

/// The schema of a described map, from as many visits as its deciding keys have states.
template <class T>
Json described_schema(const T& fresh, Definitions& definitions) {
  MapOutline outline;
  outline.visits.emplace_back();
  for (std::size_t i = 0; i < outline.visits.size(); ++i) {
    T copy = fresh;
    SchemaVisitor visitor(outline, i, definitions);
    Description<T>::visit(visitor, copy);
  }
  return map_schema(outline);
}

/// [alternatives] each one's settings; the present one's defaults are those of `fresh`.
template <class T>
std::vector<Json> settings_schemas(const T& fresh, Definitions& definitions) {
  std::vector<Json> settings;
  const auto add = [&]<std::size_t Index>() {
    using Chosen = std::variant_alternative_t<Index, T>;
    const Chosen* present = std::get_if<Index>(&fresh);
    settings.push_back(described_schema(present ? *present : Chosen(), definitions));
  };
  [&]<std::size_t... Index>(std::index_sequence<Index...>) {
    (add.template operator()<Index>(), ...);
  }
  (std::make_index_sequence<std::variant_size_v<T>>());
  return settings;
}

template <class T>
Json value_schema(const T& fresh, const Limits& limits, Definitions& definitions) {
  if constexpr (IsOptional<T>::value) {
    using Inner = typename T::value_type;
    return or_null(value_schema(fresh ? *fresh : Inner(), limits, definitions));
  } else if constexpr (Alternatives<T>) {
    using Names = AlternativeNames<T>;
    const std::string name = definition_name(Names::what);
    if (!definitions.contains(name)) {
      const std::vector<Json> settings = settings_schemas(fresh, definitions);
      if constexpr (KeyedAlternatives<T>) {
        definitions[name] =
            keyed_alternatives_schema(Names::key, Names::table(), fresh.index(), settings);
      } else {
        definitions[name] = alternatives_schema(Names::table(), settings);
      }
    }
    return reference_to(name);
  } else if constexpr (Described<T>) {
    Json map = described_schema(fresh, definitions);
    if constexpr (requires(T & t) { Description<T>::shorthand(t); }) {
      T copy = fresh;
      return one_of({value_schema(Description<T>::shorthand(copy), {}, definitions), map});
    } else if constexpr (requires(const YamlValue& v, T& t) { Description<T>::shorthand(v, t); }) {
      return one_of({shorthand_schema<T>(), map});
    } else {
      return map;
    }
  } else if constexpr (IsVector<T>::value) {
    return {{"type", "array"},
            {"items", value_schema(typename T::value_type(), limits, definitions)}};
  } else if constexpr (StringMap<T>) {
    return {{"type", "object"},
            {"additionalProperties", value_schema(typename T::mapped_type(), limits, definitions)}};
  } else if constexpr (Named<T>) {
    std::vector<std::string> words;
    for (const auto& [name, choice] : EnumNames<T>::names) words.emplace_back(name);
    return words_schema(words);
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    return text_schema();
  } else {
    static_assert(std::is_arithmetic_v<T>, "a described type, an enumeration or a plain value");
    return number_schema(limits_of<T>(limits), std::is_integral_v<T>);
  }
}

}  // namespace redoubt::experiments
