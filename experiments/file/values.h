// What kinds of values there are, for the visitors of keys: reader.h, writer.h and schema.h. Each
// of them treats a type by the first of these that it is.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/keys.h"
#include "base/limits_check.h"

namespace redoubt::experiments {

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
/// One value or a list of such.
template <class T>
struct IsOneOrList : std::false_type {};
template <class T>
struct IsOneOrList<std::variant<T, std::vector<T>>> : std::true_type {};

/// One of a kind's list (base/keys.h).
template <class T>
concept Alternatives = requires {
  typename KindOf<T>::type;
};
template <Alternatives T>
using Kind = typename KindOf<T>::type;
/// The name stands under a key beside the settings.
template <class T>
concept KeyedAlternatives = Alternatives<T> && requires {
  Kind<T>::key;
};
/// One of a kind's list in `alternative(s)`, and keys that each of them has besides.
template <class T>
concept WithKeysBeside = requires(T value) {
  T::alternative(value);
};

/// Stands for a visitor where it is only asked what a type offers.
struct AnyVisitor {};

template <class T>
concept HasKeys = requires(AnyVisitor& v, T& value) {
  T::keys(v, value);
};
template <class T>
concept HasForms = requires(AnyVisitor& v, T& value) {
  T::forms(v, value);
};
/// The member that a single value means.
template <class T>
concept HasShorthand = requires(T& value) {
  T::shorthand(value);
};

template <Named T>
std::vector<std::string> spellings() {
  std::vector<std::string> words;
  for (const auto& [name, value] : names_of(T())) words.emplace_back(name);
  return words;
}

template <Alternatives T>
std::vector<std::string> alternative_names() {
  std::vector<std::string> names;
  for (const Alternative& alternative : Kind<T>::table()) names.push_back(alternative.name);
  return names;
}

/// Whether a value that is written only where it is given is there.
template <class T>
bool is_given(const T& value) {
  if constexpr (IsOptional<T>::value) {
    return value.has_value();
  } else if constexpr (Word<T>) {
    return !value.name.empty();
  } else {
    return !value.empty();
  }
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

/// "a, b or c"
std::string names_text(std::span<const std::string> names);

}  // namespace redoubt::experiments
