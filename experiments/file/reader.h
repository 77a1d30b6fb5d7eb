// Reads an experiment's settings from YAML by the keys that they name (base/keys.h).
#pragma once

#include <cmath>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/nearest_name.h"
#include "base/printable.h"
#include "experiments/file/values.h"
#include "experiments/file/yaml_value.h"

namespace redoubt::experiments {

double read_number(const YamlValue& value, const Limits& limits, bool whole);
std::string read_text(const YamlValue& value);
/// Fails, suggesting the nearest, for a text that is none of the names. `what`: "a data set".
std::string read_word(const YamlValue& value, const std::vector<std::string>& names,
                      const char* what);

template <class T>
void read(const YamlValue& value, T& to, const Limits& limits);

/// Takes each key's value from a map. when() and its like give a reader of the same map for keys
/// that are refused while their condition does not hold.
class Reader {
 public:
  /// Fails if the value is no map or has a key twice.
  explicit Reader(const YamlValue& value);
  /// Of a value that alone stands for a map: it is that of `member`, all others are left out.
  Reader(const YamlValue& value, const void* member);

  template <class T>
  void field(const char* key, T& to, const char* /*help*/, const Limits& limits = {}) {
    if (const auto value = take(key, &to)) read(*value, to, limits);
  }
  template <class T>
  void required(const char* key, T& to, const char* help, const Limits& limits = {}) {
    note_required(key, &to);
    field(key, to, help, limits);
  }
  template <class T>
  void field_or(const char* key, std::optional<T>& to, const char* word, const char* /*help*/,
                const Limits& limits = {}) {
    const auto value = take(key, &to);
    if (!value) return;
    if (value->node.IsScalar() && value->node.Scalar() == word) {
      to.reset();
      return;
    }
    if (!value->node.IsScalar()) value->fail_type(std::string(word) + " or a number");
    read(*value, to.emplace(), limits);
  }
  template <class T>
  void given(const char* key, T& to, const char* help, const Limits& limits = {}) {
    field(key, to, help, limits);
  }
  template <class T>
  void anew(const char* key, T& to, const char* /*help*/) {
    if (const auto value = take(key, &to)) read(*value, to = T(), {});
  }
  template <class T>
  void part(const char* key, std::optional<T>& to, const T& fresh, const char* /*help*/) {
    const auto value = take(key, &to);
    if (value && !value->is_null()) read(*value, to.emplace(fresh), {});
  }

  template <class E, class... Values>
  Reader when(const char* key, const E& member, const Values&... values) const {
    if (((member == values) || ...)) return *this;
    std::string allowed;
    ((allowed += (allowed.empty() ? "" : " or ") + spelled(values)), ...);
    return unless("found a key that goes with " + std::string(key) + ": " + allowed + "; " + key +
                  " is " + spelled(member));
  }
  template <class T>
  Reader when_null(const char* key, const std::optional<T>& member) const {
    return member ? beside(key) : *this;
  }
  template <class T>
  Reader when_given(const char* key, const T& member) const {
    return is_given(member) ? *this : unless("found a key that goes with " + std::string(key));
  }
  template <class T>
  Reader when_empty(const char* key, const std::vector<T>& member) const {
    return member.empty() ? *this : beside(key);
  }
  void require(bool holds, const std::string& message) const {
    if (!holds && refusal_.empty()) map_->value.fail(message);
  }

  /// Fails for the first key that no field named, suggesting the nearest, then for one that is
  /// missing: after keys that may be it, misspelt.
  void finish() const;

 private:
  /// What readers of one map share.
  struct Map {
    YamlValue value;
    const void* alone;  ///< the member that the value alone gives; null: it is a map
    std::vector<std::string> known = {};
    std::vector<std::string> missing = {};
  };

  /// The value under a key, if it is there. Fails if it may not be.
  std::optional<YamlValue> take(const char* key, const void* member);
  void note_required(const char* key, const void* member);
  Reader unless(const std::string& refusal) const;
  /// For keys that may not stand beside another, which does.
  Reader beside(const char* other) const {
    return unless("contradicts " + map_->value.path_to(other) + "; leave one out");
  }
  template <class E>
  static std::string spelled(const E& value) {
    if constexpr (std::is_same_v<E, bool>) {
      return value ? "true" : "false";
    } else {
      return name_of(value);
    }
  }

  std::shared_ptr<Map> map_;
  std::string refusal_;  ///< why the keys read by this reader may not be there; empty: they may
};

/// Reads a value that is no map of keys, or one of several forms.
class FormReader {
 public:
  explicit FormReader(const YamlValue& value) : value_(value) {}

  template <class E>
  void word(E& member, E choice, const char* word) {
    allowed_.emplace_back(word);
    if (done_ || !value_.node.IsScalar() || value_.node.Scalar() != word) return;
    take(member, choice);
  }
  template <class E, class T>
  void number(E& member, E choice, T& to, const Limits& limits) {
    allowed_.push_back(limits_text(limits_of<T>(limits), std::is_integral_v<T>));
    if (done_ || !is_number()) return;
    take(member, choice);
    read(value_, to, limits);
  }
  template <class T>
  void value(T& to, const Limits& limits) {
    read(value_, to, limits);
    done_ = true;
  }
  template <class E, class Describe>
  void map(E& member, E choice, const Describe& describe) {
    allowed_.emplace_back("a map of keys");
    if (done_ || !value_.node.IsMap()) return;
    take(member, choice);
    Reader reader(value_);
    describe(reader);
    reader.finish();
  }
  /// Fails unless the value had one of the forms.
  void finish() const {
    if (!done_) value_.fail_type(names_text(allowed_));
  }

 private:
  bool is_number() const;
  template <class E>
  void take(E& member, E choice) {
    member = choice;
    done_ = true;
  }

  const YamlValue& value_;
  std::vector<std::string> allowed_;
  bool done_ = false;
};

/// Calls body(settings) for the alternative of that name, which is made anew if it is another than
/// the present one.
template <class T, class Body>
void with_alternative(const YamlValue& value, const std::string& name, T& to, const Body& body) {
  const std::vector<std::string> names = alternative_names<T>();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    value.fail("found " + in_quotes(name) + ", which is not " + Kind<T>::what +
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

/// Reads a struct with keys(), and what beside(reader) names in the same map.
template <class T, class Beside>
void read_keys(const YamlValue& value, T& to, const Beside& beside) {
  if constexpr (HasShorthand<T>) {
    if (value.node.IsDefined() && !value.node.IsMap() && !value.node.IsNull()) {
      Reader reader(value, &T::shorthand(to));
      T::keys(reader, to);
      reader.finish();
      return;
    }
  }
  Reader reader = value.is_null() ? Reader(value, &value) : Reader(value);
  T::keys(reader, to);
  beside(reader);
  reader.finish();
}

/// Reads `name` or `{name: settings}`; beside(reader) names keys that stand among the settings.
template <class T, class Beside>
void read_alternative(const YamlValue& value, T& to, const Beside& beside) {
  const bool alone = value.node.IsScalar();
  const auto [name, settings] =
      alone ? std::pair(value.node.Scalar(), YamlValue{YAML::Node(), value.path, value.source})
            : value.only_entry(Kind<T>::what + std::string(": its name, or its name over its "
                                                           "settings"));
  with_alternative(value, name, to, [&, &settings = settings](auto& chosen) {
    if constexpr (HasForms<std::remove_reference_t<decltype(chosen)>>) {
      if (!settings.is_null()) read(settings, chosen, {});
    } else {
      read_keys(settings, chosen, beside);
    }
  });
}

/// Reads `{kind: name, settings...}`, or the name alone; without the kind the present alternative
/// is meant.
template <class T>
void read_alternative_by_key(const YamlValue& value, T& to) {
  if (value.node.IsScalar()) {
    with_alternative(value, value.node.Scalar(), to, [](auto& /*as it is*/) {});
    return;
  }
  Reader reader(value);
  std::string name = alternative_names<T>()[to.index()];
  reader.field(Kind<T>::key, name, "");
  with_alternative(value.child(Kind<T>::key), name, to,
                   [&]<class C>(C& chosen) { C::keys(reader, chosen); });
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
    read_alternative(value, to, [](Reader& /*none*/) {});
  } else if constexpr (WithKeysBeside<T>) {
    read_alternative(value, T::alternative(to), [&](Reader& reader) { T::keys(reader, to); });
  } else if constexpr (HasForms<T>) {
    FormReader reader(value);
    T::forms(reader, to);
    reader.finish();
  } else if constexpr (HasKeys<T>) {
    if (value.is_null()) value.fail_type("a map of keys");
    read_keys(value, to, [](Reader& /*none*/) {});
  } else if constexpr (IsOneOrList<T>::value) {
    using One = std::variant_alternative_t<0, T>;
    if (value.node.IsSequence()) {
      read(value, to.template emplace<1>(), limits);
    } else if (value.node.IsScalar()) {
      read(value, to.template emplace<0>(), limits);
    } else {
      value.fail_type(limits_text(limits_of<One>(limits), std::is_integral_v<One>) +
                      ", or a list of such");
    }
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
    for (const auto& [name, choice] : names_of(T())) {
      if (text != name) continue;
      to = choice;
      return;
    }
    value.fail("found " + in_quotes(text) + "; it may be " + names_text(spellings<T>()));
  } else if constexpr (Word<T>) {
    to.name = read_word(value, T::names(), T::what);
  } else if constexpr (std::is_same_v<T, bool>) {
    const std::string text = read_text(value);
    if (text != "true" && text != "false") value.fail_type("true or false");
    to = text == "true";
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    to = read_text(value);
  } else {
    static_assert(std::is_arithmetic_v<T>, "settings with keys, an enumeration or a plain value");
    constexpr bool whole = std::is_integral_v<T>;
    to = static_cast<T>(read_number(value, limits_of<T>(limits), whole));
    if constexpr (std::is_same_v<T, float>) {
      // A double may become infinite or 0 in a float.
      if (!std::isfinite(to) || !limits.allow(static_cast<double>(to))) {
        value.fail_type(limits_text(limits, whole) + " that a 32-bit float can hold");
      }
    }
  }
}

}  // namespace redoubt::experiments
