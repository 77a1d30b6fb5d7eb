// Writes settings out as YAML that reads back to the same (base/keys.h).
#pragma once

#include <yaml-cpp/yaml.h>

#include <filesystem>

#include "experiments/file/values.h"

namespace redoubt::experiments {

class Writer {
 public:
  explicit Writer(YAML::Emitter& emitter) : emitter_(emitter) {}

  template <class T>
  void field(const char* key, const T& value, const char* /*help*/, const Limits& = {}) {
    if (!holds_) return;
    emitter_ << YAML::Key << key << YAML::Value;
    write(value);
  }
  template <class T>
  void required(const char* key, const T& value, const char* help, const Limits& = {}) {
    field(key, value, help);
  }
  template <class T>
  void field_or(const char* key, const std::optional<T>& value, const char* word, const char* help,
                const Limits& = {}) {
    if (value) {
      field(key, *value, help);
    } else {
      field(key, std::string(word), help);
    }
  }
  template <class T>
  void given(const char* key, const T& value, const char* help, const Limits& = {}) {
    if (is_given(value)) field(key, value, help);
  }
  template <class T>
  void anew(const char* key, const T& value, const char* help) {
    field(key, value, help);
  }
  template <class T>
  void part(const char* key, const std::optional<T>& value, const T& /*fresh*/, const char* help) {
    given(key, value, help);
  }

  template <class E, class... Values>
  Writer when(const char* /*key*/, const E& member, const Values&... values) const {
    return only_if(((member == values) || ...));
  }
  template <class T>
  Writer when_null(const char* /*key*/, const std::optional<T>& member) const {
    return only_if(!member);
  }
  template <class T>
  Writer when_given(const char* /*key*/, const T& member) const {
    return only_if(is_given(member));
  }
  template <class T>
  Writer when_empty(const char* /*key*/, const std::vector<T>& member) const {
    return only_if(member.empty());
  }
  void require(bool /*holds*/, const std::string& /*message*/) const {}

  // Forms.
  template <class E>
  void word(const E& member, E choice, const char* word) {
    if (member == choice) emitter_ << word;
  }
  template <class E, class T>
  void number(const E& member, E choice, const T& value, const Limits& = {}) {
    if (member == choice) write(value);
  }
  template <class T>
  void value(const T& value, const Limits& = {}) {
    write(value);
  }
  template <class E, class Describe>
  void map(const E& member, E choice, const Describe& describe) {
    if (member != choice) return;
    emitter_ << YAML::Flow << YAML::BeginMap;
    describe(*this);
    emitter_ << YAML::EndMap;
  }

  template <class T>
  void write(const T& value);

 private:
  Writer only_if(bool holds) const {
    Writer writer = *this;
    writer.holds_ = holds_ && holds;
    return writer;
  }
  void write_number(double value, bool single);
  /// `name`, or `{name: settings}`; beside(writer) names keys that stand among the settings.
  template <class T, class Beside>
  void write_alternative(const T& value, bool has_more, const Beside& beside);

  YAML::Emitter& emitter_;
  bool holds_ = true;  ///< the conditions of the keys that this writer is given
};

template <class T, class Beside>
void Writer::write_alternative(const T& value, bool has_more, const Beside& beside) {
  const char* name = Kind<T>::name_of(value);
  std::visit(
      [&]<class Chosen>(const Chosen& chosen) {
        if constexpr (std::is_empty_v<Chosen>) {
          if (!has_more) {
            emitter_ << name;
            return;
          }
        }
        emitter_ << YAML::BeginMap << YAML::Key << name << YAML::Value << YAML::BeginMap;
        Chosen::keys(*this, chosen);
        beside(*this);
        emitter_ << YAML::EndMap << YAML::EndMap;
      },
      value);
}

template <class T>
void Writer::write(const T& value) {
  if constexpr (IsOptional<T>::value) {
    if (value) {
      write(*value);
    } else {
      emitter_ << YAML::Null;
    }
  } else if constexpr (KeyedAlternatives<T>) {
    emitter_ << YAML::BeginMap << YAML::Key << Kind<T>::key << YAML::Value
             << Kind<T>::name_of(value);
    std::visit([&]<class Chosen>(const Chosen& chosen) { Chosen::keys(*this, chosen); }, value);
    emitter_ << YAML::EndMap;
  } else if constexpr (Alternatives<T>) {
    write_alternative(value, false, [](Writer& /*none*/) {});
  } else if constexpr (WithKeysBeside<T>) {
    emitter_ << YAML::Flow;
    write_alternative(T::alternative(value), T::has_keys_beside(value),
                      [&](Writer& writer) { T::keys(writer, value); });
  } else if constexpr (HasForms<T>) {
    T::forms(*this, value);
  } else if constexpr (HasKeys<T>) {
    emitter_ << YAML::BeginMap;
    T::keys(*this, value);
    emitter_ << YAML::EndMap;
  } else if constexpr (IsOneOrList<T>::value) {
    std::visit([&](const auto& one) { write(one); }, value);
  } else if constexpr (IsVector<T>::value) {
    emitter_ << YAML::Flow << YAML::BeginSeq;
    for (const auto& item : value) write(item);
    emitter_ << YAML::EndSeq;
  } else if constexpr (IsMap<T>::value) {
    emitter_ << YAML::Flow << YAML::BeginMap;
    for (const auto& [key, item] : value) field(key.c_str(), item, "");
    emitter_ << YAML::EndMap;
  } else if constexpr (Named<T>) {
    emitter_ << name_of(value);
  } else if constexpr (Word<T>) {
    emitter_ << value.name;
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    emitter_ << value.string();
  } else if constexpr (std::is_floating_point_v<T>) {
    write_number(static_cast<double>(value), std::is_same_v<T, float>);
  } else {
    emitter_ << value;
  }
}

/// A value as YAML, on lines of its own.
template <class T>
std::string yaml_text(const T& value) {
  YAML::Emitter emitter;
  emitter.SetNullFormat(YAML::LowerNull);
  Writer(emitter).write(value);
  return emitter.c_str();
}

}  // namespace redoubt::experiments
