// One description of every key drives reading, checking, writing and documenting: Description<T>::
// visit names a struct's keys once, and the Reader and the Writer below and the SchemaVisitor of
// schema.h walk over them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/nearest_name.h"
#include "experiments/file/yaml_value.h"

namespace redoubt::experiments {

/// What a number may be; both ends included unless `above` excludes the lower one or `below` the
/// upper.
struct Limits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool above = false;
  bool below = false;

  bool allow(double value) const {
    return (above ? value > low : value >= low) && (below ? value < high : value <= high);
  }
  std::string text(bool whole) const;
};

constexpr Limits at_least(double low) { return {.low = low}; }
constexpr Limits above(double low) { return {.low = low, .above = true}; }
constexpr Limits between(double low, double high) { return {.low = low, .high = high}; }
/// From `low`, which may be taken, to `high`, which may not.
constexpr Limits from_to_below(double low, double high) {
  return {.low = low, .high = high, .below = true};
}

/// The spellings of an enumeration's values: specialise `static constexpr
/// std::array<std::pair<const char*, T>, n> names`.
template <class T>
struct EnumNames;
template <class T, std::size_t N>
using Names = std::array<std::pair<const char*, T>, N>;

/// The keys of a struct: specialise `template <class V, class S> static void visit(V& v, S& s)`.
/// What a visit names may depend on enumerations, flags, optional values and lists that it named
/// before. `shorthand`, if there, is for values that are no map: it reads one, or, given the
/// settings alone, returns the member that the value means.
template <class T>
struct Description;

/// One of the things that a file can name, and a line on it.
struct Alternative {
  std::string name;
  std::string description;
};

/// A variant's alternatives, in their order: specialise `static std::vector<Alternative> table()`
/// and `static constexpr const char* what`, e.g. "a stage". With `static constexpr const char* key`
/// the name stands under that key beside the settings.
template <class T>
struct AlternativeNames;

double read_number(const YamlValue& value, const Limits& limits, bool whole);
std::string read_text(const YamlValue& value);
/// Fails, suggesting the nearest, for a text that is none of the names. `what`: "a data set".
std::string read_word(const YamlValue& value, const std::vector<std::string>& names,
                      const char* what);
std::string names_text(std::span<const std::string> names);

template <class T>
void read(const YamlValue& value, T& to, const Limits& limits);

/// Walks over a description and takes each key's value from a map.
class Reader {
 public:
  /// Fails if the value is no map or has a key twice.
  explicit Reader(const YamlValue& value);

  template <class T>
  void field(const char* key, T& to, const char* /*help*/, const Limits& limits = {}) {
    known_.emplace_back(key);
    const YamlValue child = value_.child(key);
    if (child.node.IsDefined()) read(child, to, limits);
  }
  /// A value that has no default. finish() says that it is missing, after keys that may be it,
  /// misspelt.
  template <class T>
  void required(const char* key, T& to, const char* help, const Limits& limits = {}) {
    if (!has(key)) missing_.emplace_back(key);
    field(key, to, help, limits);
  }
  /// An optional value for which a word stands, e.g. `all`.
  template <class T>
  void field_or(const char* key, std::optional<T>& to, const char* word, const char* /*help*/,
                const Limits& limits = {}) {
    known_.emplace_back(key);
    const YamlValue child = value_.child(key);
    if (!child.node.IsDefined()) return;
    if (child.node.IsScalar() && child.node.Scalar() == word) {
      to.reset();
      return;
    }
    if (!child.node.IsScalar()) child.fail_type(std::string(word) + " or a number");
    read(child, to.emplace(), limits);
  }
  /// A part of the experiment that may be absent; `fresh` is what it starts from when it is there.
  template <class T>
  void part(const char* key, std::optional<T>& to, const T& fresh, const char* /*help*/) {
    known_.emplace_back(key);
    const YamlValue child = value_.child(key);
    if (!child.is_null()) read(child, to.emplace(fresh), {});
  }
  /// The name of something in a table.
  void word(const char* key, std::string& to, const std::vector<std::string>& names,
            const char* what, const char* /*help*/) {
    known_.emplace_back(key);
    const YamlValue child = value_.child(key);
    if (child.node.IsDefined()) to = read_word(child, names, what);
  }
  const YamlValue& value() const { return value_; }
  bool has(const char* key) const { return value_.child(key).node.IsDefined(); }
  /// Fails for the first key that no field named, suggesting the nearest.
  void finish() const;

  static constexpr bool reads = true;
  static constexpr bool writes = false;

 private:
  YamlValue value_;
  std::vector<std::string> missing_;
  std::vector<std::string> known_;
};

template <class T>
concept Described = requires(T& t, Reader& reader) {
  Description<T>::visit(reader, t);
};
template <class T>
concept Named = requires {
  EnumNames<T>::names;
};

/// Walks over a description and emits each key.
class Writer {
 public:
  explicit Writer(YAML::Emitter& emitter) : emitter_(emitter) {}

  template <class T>
  void field(const char* key, const T& value, const char* /*help*/, const Limits& = {}) {
    emitter_ << YAML::Key << key << YAML::Value;
    write(value);
  }
  template <class T>
  void required(const char* key, const T& value, const char* help, const Limits& limits = {}) {
    field(key, value, help, limits);
  }
  template <class T>
  void field_or(const char* key, const std::optional<T>& value, const char* word,
                const char* /*help*/, const Limits& = {}) {
    emitter_ << YAML::Key << key << YAML::Value;
    if (value) {
      write(*value);
    } else {
      emitter_ << word;
    }
  }
  template <class T>
  void part(const char* key, const std::optional<T>& value, const T& /*fresh*/,
            const char* /*help*/) {
    if (!value) return;
    emitter_ << YAML::Key << key << YAML::Value;
    write(*value);
  }
  void word(const char* key, const std::string& value, const std::vector<std::string>& /*names*/,
            const char* /*what*/, const char* help) {
    field(key, value, help);
  }
  static constexpr bool reads = false;
  static constexpr bool writes = true;

  template <class T>
  void write(const T& value);

 private:
  void write_number(double value, bool single);

  YAML::Emitter& emitter_;
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

template <class T>
concept Alternatives = requires {
  AlternativeNames<T>::table();
};

template <class T>
concept KeyedAlternatives = Alternatives<T> && requires {
  AlternativeNames<T>::key;
};

template <Alternatives T>
std::vector<std::string> alternative_names() {
  std::vector<std::string> names;
  for (const Alternative& alternative : AlternativeNames<T>::table()) {
    names.push_back(alternative.name);
  }
  return names;
}

/// What numbers of a type may be: whole ones are those that a double holds, up to 2^53.
template <class T>
Limits limits_of(Limits limits) {
  if constexpr (std::is_integral_v<T>) {
    const double top = std::min(static_cast<double>(std::numeric_limits<T>::max()), 0x1p53);
    limits.low = std::max(limits.low, std::is_unsigned_v<T> ? 0.0 : -top);
    limits.high = std::min(limits.high, top);
  }
  return limits;
}

/// Calls body(value) for the alternative of that name, which is made anew if it is another than the
/// present one.
template <class T, class Body>
void with_alternative(const YamlValue& value, const std::string& name, T& to, const Body& body) {
  const std::vector<std::string> names = alternative_names<T>();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    value.fail("found \"" + name + "\", which is not " + AlternativeNames<T>::what +
               suggestion(name, names));
  }
  const auto try_one = [&]<std::size_t Index>() {
    if (found - names.begin() != Index) return;
    if (to.index() != Index) to.template emplace<Index>();
    body(std::get<Index>(to));
  };
  [&]<std::size_t... Index>(std::index_sequence<Index...>) {
    (try_one.template operator()<Index>(), ...);
  }
  (std::make_index_sequence<std::variant_size_v<T>>());
}

/// Reads `name` or `{name: settings}`.
template <class T>
void read_alternative(const YamlValue& value, T& to) {
  const bool alone = value.node.IsScalar();
  const auto [name, settings] =
      alone ? std::pair(value.node.Scalar(), YamlValue{YAML::Node(), value.path, value.source})
            : value.only_entry(AlternativeNames<T>::what +
                               std::string(": its name, or its name over its settings"));
  with_alternative(value, name, to, [&settings = settings](auto& chosen) {
    if (!settings.is_null()) read(settings, chosen, {});
  });
}

/// Reads `{kind: name, settings...}`; without the kind the present alternative is meant.
template <class T>
void read_alternative_by_key(const YamlValue& value, T& to) {
  Reader reader(value);
  std::string name = alternative_names<T>()[to.index()];
  reader.field(AlternativeNames<T>::key, name, "");
  with_alternative(value.child(AlternativeNames<T>::key), name, to,
                   [&]<class C>(C& chosen) { Description<C>::visit(reader, chosen); });
  reader.finish();
}

template <class T>
void read(const YamlValue& value, T& to, const Limits& limits) {
  if constexpr (IsOptional<T>::value) {
    if (value.is_null()) {
      to.reset();
    } else {
      read(value, to.emplace(), limits);
    }
  } else if constexpr (KeyedAlternatives<T>) {
    read_alternative_by_key(value, to);
  } else if constexpr (Alternatives<T>) {
    read_alternative(value, to);
  } else if constexpr (Described<T>) {
    if constexpr (requires { Description<T>::shorthand(to); }) {
      if (!value.node.IsMap()) {
        read(value, Description<T>::shorthand(to), {});
        return;
      }
    } else if constexpr (requires { Description<T>::shorthand(value, to); }) {
      if (!value.node.IsMap()) {
        Description<T>::shorthand(value, to);
        return;
      }
    }
    Reader reader(value);
    Description<T>::visit(reader, to);
    reader.finish();
  } else if constexpr (IsVector<T>::value) {
    if (!value.node.IsSequence()) value.fail_type("a list");
    to.clear();
    for (std::size_t i = 0; i < value.node.size(); ++i) {
      read(value.item(i), to.emplace_back(), limits);
    }
  } else if constexpr (IsMap<T>::value) {
    const Reader keys(value);  // finds keys that are there twice
    to.clear();
    for (const auto& pair : value.node) {
      const std::string key = pair.first.Scalar();
      read(value.child(key), to[key], limits);
    }
  } else if constexpr (Named<T>) {
    const std::string text = read_text(value);
    std::vector<std::string> names;
    for (const auto& [name, choice] : EnumNames<T>::names) {
      names.emplace_back(name);
      if (text != name) continue;
      to = choice;
      return;
    }
    value.fail("found \"" + text + "\"; it may be " + names_text(names));
  } else if constexpr (std::is_same_v<T, bool>) {
    const std::string text = read_text(value);
    if (text != "true" && text != "false") value.fail_type("true or false");
    to = text == "true";
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    to = read_text(value);
  } else {
    static_assert(std::is_arithmetic_v<T>, "a described type, an enumeration or a plain value");
    constexpr bool whole = std::is_integral_v<T>;
    to = static_cast<T>(read_number(value, limits_of<T>(limits), whole));
    if constexpr (std::is_same_v<T, float>) {
      // A double may become infinite or 0 in a float.
      if (!std::isfinite(to) || !limits.allow(static_cast<double>(to))) {
        value.fail_type(limits.text(whole) + " that a 32-bit float can hold");
      }
    }
  }
}

template <class T>
void Writer::write(const T& value) {
  if constexpr (IsOptional<T>::value) {
    if (value) {
      write(*value);
    } else {
      emitter_ << YAML::Null;
    }
  } else if constexpr (Alternatives<T>) {
    const std::string name = alternative_names<T>()[value.index()];
    std::visit(
        [&]<class Chosen>(const Chosen& chosen) {
          if constexpr (KeyedAlternatives<T>) {
            emitter_ << YAML::BeginMap << YAML::Key << AlternativeNames<T>::key << YAML::Value
                     << name;
            Description<Chosen>::visit(*this, chosen);
            emitter_ << YAML::EndMap;
          } else if constexpr (std::is_empty_v<Chosen>) {
            emitter_ << name;
          } else {
            emitter_ << YAML::BeginMap << YAML::Key << name << YAML::Value;
            write(chosen);
            emitter_ << YAML::EndMap;
          }
        },
        value);
  } else if constexpr (requires { Description<T>::write(emitter_, value); }) {
    Description<T>::write(emitter_, value);
  } else if constexpr (requires(Writer & writer) { Description<T>::visit(writer, value); }) {
    emitter_ << YAML::BeginMap;
    Description<T>::visit(*this, value);
    emitter_ << YAML::EndMap;
  } else if constexpr (IsVector<T>::value) {
    emitter_ << YAML::Flow << YAML::BeginSeq;
    for (const auto& item : value) write(item);
    emitter_ << YAML::EndSeq;
  } else if constexpr (IsMap<T>::value) {
    emitter_ << YAML::Flow << YAML::BeginMap;
    for (const auto& [key, item] : value) field(key.c_str(), item, "");
    emitter_ << YAML::EndMap;
  } else if constexpr (Named<T>) {
    for (const auto& [name, choice] : EnumNames<T>::names) {
      if (choice == value) emitter_ << name;
    }
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    emitter_ << value.string();
  } else if constexpr (std::is_floating_point_v<T>) {
    write_number(static_cast<double>(value), std::is_same_v<T, float>);
  } else {
    emitter_ << value;
  }
}

}  // namespace redoubt::experiments
