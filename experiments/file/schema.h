// JSON Schemas (draft 2020-12) of settings: what an editor needs to complete, check and explain a
// file. Made from the keys that settings name, by a third visitor beside Reader and Writer.
#pragma once

#include <nlohmann/json.hpp>

#include "experiments/file/writer.h"

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

/// Schemas that others refer to as "#/$defs/<name>".
using Definitions = Json;

/// The schema of a type's values. `fresh` is what a file that leaves keys out is read into.
/// Specialise it where `read` is specialised.
template <class T>
Json value_schema(const T& fresh, const Limits& limits, Definitions& definitions);

/// What the keys of a map need of an earlier one.
struct Condition {
  std::string key;
  Json must;          ///< the schema of its value
  bool usual = true;  ///< it is so in a file that leaves the earlier key out
};

/// A closed map of keys; what a key needs of others stands under "dependentSchemas".
class MapSchema {
 public:
  void add(const std::string& key, Json schema, const std::vector<Condition>& conditions);
  void add_required(const std::string& key);
  /// The schema of a single value that may stand for the map, if no more has to be given.
  void set_alone(const Json& schema) { alone_ = schema; }
  Json json() const;

 private:
  Json properties_ = Json::object();
  Json required_ = Json::array();
  Json dependent_ = Json::object();
  std::optional<Json> alone_;
};

/// Exactly one of these.
Json one_of(std::vector<Json> schemas);
/// The schema that also passes null.
Json or_null(Json schema);
/// Bounds that are infinite are left out.
Json number_schema(const Limits& limits, bool whole);
Json text_schema();
/// A list of texts, or the texts of one.
Json words_schema(const std::vector<std::string>& words);
Json described_as(const std::string& description, const Json& schema);
/// The default that a key's schema states, from the YAML that stands for it; null if there is none
/// to tell.
std::optional<Json> default_of(const std::string& yaml);
/// "an aggregation rule" -> "aggregation-rule"
std::string definition_name(const std::string& what);
Json reference_to(const std::string& definition);
/// {name: settings} of any one alternative, or the name alone of one that needs no more.
Json alternatives_schema(const std::vector<Alternative>& table, const std::vector<Json>& settings);
/// {key: name, settings...} in one map, or the name alone.
Json keyed_alternatives_schema(const std::string& key, const std::vector<Alternative>& table,
                               std::size_t fresh, const std::vector<Json>& settings);

/// Notes each key of a map.
class SchemaVisitor {
 public:
  /// `alone`: the member that a single value in the map's place means; null: there is none.
  SchemaVisitor(MapSchema& map, Definitions& definitions, const void* alone = nullptr)
      : map_(map), definitions_(definitions), alone_(alone) {}

  template <class T>
  void field(const char* key, const T& fresh, const char* help, const Limits& limits = {}) {
    add(key, with_default(fresh, help, schema_of(fresh, limits)));
  }
  template <class T>
  void required(const char* key, const T& fresh, const char* help, const Limits& limits = {}) {
    add(key, described_as(help, schema_of(fresh, limits)));
    map_.add_required(key);
  }
  template <class T>
  void field_or(const char* key, const std::optional<T>& fresh, const char* word, const char* help,
                const Limits& limits = {}) {
    Json schema =
        described_as(help, one_of({words_schema({word}), value_schema(T(), limits, definitions_)}));
    if (fresh) {
      schema = with_default(*fresh, help, schema);
    } else {
      schema["default"] = word;
    }
    add(key, schema);
  }
  template <class T>
  void given(const char* key, const T& fresh, const char* help, const Limits& limits = {}) {
    field(key, fresh, help, limits);
  }
  template <class T>
  void anew(const char* key, const T& /*fresh*/, const char* help) {
    add(key, described_as(help, value_schema(T(), {}, definitions_)));
  }
  template <class T>
  void part(const char* key, const std::optional<T>& /*absent*/, const T& fresh, const char* help) {
    // It has no default: it is there or not.
    add(key, described_as(help, or_null(value_schema(fresh, {}, definitions_))));
  }

  template <class E, class... Values>
  SchemaVisitor when(const char* key, const E& fresh, const Values&... values) const {
    std::vector<Json> spelled = {spelling(values)...};
    const Json must = spelled.size() == 1 ? Json{{"const", spelled.front()}} : words_of(spelled);
    return with({.key = key, .must = must, .usual = ((fresh == values) || ...)});
  }
  template <class T>
  SchemaVisitor when_null(const char* key, const std::optional<T>& fresh) const {
    return with({.key = key, .must = {{"const", nullptr}}, .usual = !fresh});
  }
  template <class T>
  SchemaVisitor when_given(const char* key, const T& fresh) const {
    const Json must =
        IsVector<T>::value ? Json{{"minItems", 1}} : Json{{"not", {{"const", nullptr}}}};
    return with({.key = key, .must = must, .usual = is_given(fresh)});
  }
  template <class T>
  SchemaVisitor when_empty(const char* key, const std::vector<T>& fresh) const {
    return with({.key = key, .must = {{"maxItems", 0}}, .usual = fresh.empty()});
  }
  void require(bool /*holds*/, const std::string& /*message*/) const {}

 private:
  template <class T>
  Json schema_of(const T& fresh, const Limits& limits) {
    Json schema = value_schema(fresh, limits, definitions_);
    if (static_cast<const void*>(&fresh) == alone_) map_.set_alone(schema);
    return schema;
  }
  void add(const std::string& key, const Json& schema) { map_.add(key, schema, conditions_); }
  SchemaVisitor with(const Condition& condition) const {
    SchemaVisitor visitor = *this;
    visitor.conditions_.push_back(condition);
    return visitor;
  }
  template <class E>
  static Json spelling(const E& value) {
    if constexpr (std::is_same_v<E, bool>) {
      return value;
    } else {
      return name_of(value);
    }
  }
  static Json words_of(const std::vector<Json>& spelled) { return {{"enum", spelled}}; }

  template <class T>
  static Json with_default(const T& fresh, const char* help, const Json& schema) {
    Json described = described_as(help, schema);
    std::string text;
    if constexpr (HasShorthand<T>) {
      text = yaml_text(T::shorthand(fresh));
    } else if constexpr (KeyedAlternatives<T>) {
      // The name alone stands for an alternative that is as it comes.
      const bool as_it_comes =
          std::visit([]<class Chosen>(const Chosen& chosen) { return chosen == Chosen(); }, fresh);
      if (!as_it_comes) return described;
      text = Kind<T>::name_of(fresh);
    } else {
      text = yaml_text(fresh);
    }
    if (const auto known = default_of(text)) described["default"] = *known;
    return described;
  }

  MapSchema& map_;
  Definitions& definitions_;
  const void* alone_;
  std::vector<Condition> conditions_;  ///< of the keys that this visitor is given
};

/// Notes each form of a value.
class FormSchema {
 public:
  explicit FormSchema(Definitions& definitions) : definitions_(definitions) {}

  template <class E>
  void word(const E& /*member*/, E /*choice*/, const char* word) {
    words_.emplace_back(word);
  }
  template <class E, class T>
  void number(const E& /*member*/, E /*choice*/, const T& fresh, const Limits& limits) {
    value(fresh, limits);
  }
  template <class T>
  void value(const T& fresh, const Limits& limits) {
    others_.push_back(value_schema(fresh, limits, definitions_));
  }
  template <class E, class Describe>
  void map(const E& /*member*/, E /*choice*/, const Describe& describe) {
    MapSchema map;
    SchemaVisitor visitor(map, definitions_);
    describe(visitor);
    others_.push_back(map.json());
  }
  Json json() const {
    std::vector<Json> forms = others_;
    if (!words_.empty()) forms.insert(forms.begin(), words_schema(words_));
    return forms.size() == 1 ? forms.front() : one_of(forms);
  }

 private:
  Definitions& definitions_;
  std::vector<std::string> words_;
  std::vector<Json> others_;
};

/// The schema of a map with keys(), and of what beside(visitor) names in it; or of the one value
/// that may stand for it.
template <class T, class Beside>
Json keys_schema(const T& fresh, Definitions& definitions, const Beside& beside) {
  MapSchema map;
  const void* alone = nullptr;
  if constexpr (HasShorthand<T>) alone = &T::shorthand(fresh);
  SchemaVisitor visitor(map, definitions, alone);
  T::keys(visitor, fresh);
  beside(visitor);
  return map.json();
}

/// [alternatives] each one's settings; the present one's defaults are those of `fresh`.
template <class T, class Beside>
std::vector<Json> settings_schemas(const T& fresh, Definitions& definitions, const Beside& beside) {
  std::vector<Json> settings;
  const auto add = [&]<std::size_t Index>() {
    using Chosen = std::variant_alternative_t<Index, T>;
    const Chosen* present = std::get_if<Index>(&fresh);
    settings.push_back(keys_schema(present ? *present : Chosen(), definitions, beside));
  };
  [&]<std::size_t... Index>(std::index_sequence<Index...>) {
    (add.template operator()<Index>(), ...);
  }
  (std::make_index_sequence<std::variant_size_v<T>>());
  return settings;
}

/// The schema of a kind, once for all places that name it.
template <class T, class Beside>
Json kind_schema(const T& fresh, Definitions& definitions, const Beside& beside) {
  const std::string name = definition_name(Kind<T>::what);
  if (!definitions.contains(name)) {
    definitions[name] = nullptr;  // it may hold itself
    const std::vector<Json> settings = settings_schemas(fresh, definitions, beside);
    if constexpr (KeyedAlternatives<T>) {
      definitions[name] =
          keyed_alternatives_schema(Kind<T>::key, Kind<T>::table(), fresh.index(), settings);
    } else {
      definitions[name] = alternatives_schema(Kind<T>::table(), settings);
    }
  }
  return reference_to(name);
}

template <class T>
Json value_schema(const T& fresh, const Limits& limits, Definitions& definitions) {
  if constexpr (IsOptional<T>::value) {
    using Inner = typename T::value_type;
    return or_null(value_schema(fresh ? *fresh : Inner(), limits, definitions));
  } else if constexpr (Alternatives<T>) {
    return kind_schema(fresh, definitions, [](SchemaVisitor& /*none*/) {});
  } else if constexpr (WithKeysBeside<T>) {
    return kind_schema(T::alternative(fresh), definitions,
                       [&](SchemaVisitor& visitor) { T::keys(visitor, fresh); });
  } else if constexpr (HasForms<T>) {
    FormSchema forms(definitions);
    T::forms(forms, fresh);
    return forms.json();
  } else if constexpr (HasKeys<T>) {
    return keys_schema(fresh, definitions, [](SchemaVisitor& /*none*/) {});
  } else if constexpr (IsOneOrList<T>::value) {
    using One = std::variant_alternative_t<0, T>;
    return one_of({value_schema(One(), limits, definitions),
                   value_schema(std::vector<One>(), limits, definitions)});
  } else if constexpr (IsVector<T>::value) {
    return {{"type", "array"},
            {"items", value_schema(typename T::value_type(), limits, definitions)}};
  } else if constexpr (IsMap<T>::value) {
    return {{"type", "object"},
            {"additionalProperties", value_schema(typename T::mapped_type(), limits, definitions)}};
  } else if constexpr (Named<T>) {
    return words_schema(spellings<T>());
  } else if constexpr (Word<T>) {
    return words_schema(T::names());
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    return text_schema();
  } else {
    static_assert(std::is_arithmetic_v<T>, "settings with keys, an enumeration or a plain value");
    return number_schema(limits_of<T>(limits), std::is_integral_v<T>);
  }
}

}  // namespace redoubt::experiments
