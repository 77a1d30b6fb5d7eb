// The language in which settings say their keys. A settings struct names, at home, each key, the
// member that it lands in, one line of help and its range:
//
//   struct KrumSettings {
//     int malicious = 1;
//     template <class V, class S>
//     static void keys(V& v, S& s) {
//       v.field("malicious", s.malicious, "f: how many malicious clients ...", at_least(0));
//     }
//   };
//
// All else is derived by visitors V, which experiments/file has: reading, messages, the resolved
// file, the JSON Schema, the reference page. S is the struct, const where a visitor only looks. A
// visit changes nothing but the members that a file sets; defaults are the members' own.
//
// What a visitor offers (each takes `limits` last where the value is a number, or numbers):
//   field(key, member, help)            any key
//   required(key, member, help)         one that has no default
//   field_or(key, optional, word, help) an optional value for whose absence a word stands, `all`
//   given(key, member, help)            written to the resolved file only where it is given: an
//                                       optional, a list or a text that is not empty
//   anew(key, member, help)             a map that, where it is there, starts from nothing rather
//                                       than from the member's default
//   part(key, optional, fresh, help)    a part of the whole that may be absent, or starts from
//                                       `fresh`
//   when(key, member, value)            a visitor for keys that mean something only while an
//                                       earlier key has this value:
//                                         v.when("kind", s.kind, Kind::block).field("block", ...)
//   when_null(key, optional)            the same while an earlier optional is null
//   when_given(key, member)             the same while an earlier optional, list or text is given
//   when_empty(key, list)               the same while an earlier list is empty
//   require(holds, message)             what the keys of this map must fulfil together
//
// Values that are no map: an enumeration has its spellings beside it (names_of below). A struct
// that may be given as a single value has
//   static auto& shorthand(S& s)        the member that `key: value` alone means
// and one whose value takes several forms, e.g. `full`, a number or a map, has instead of keys()
//   template <class V, class S> static void forms(V& v, S& s)
// where V offers, in each case while `member` has, or from then on with, the `value`:
//   value(to, limits)                   a number and nothing else
//   word(member, value, "full")         a word
//   number(member, value, to, limits)   a number, into `to`
//   map(member, value, describe)        a map; describe(v) names its keys
#pragma once

#include <array>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace redoubt {

/// What a number may be; both ends included unless `above` excludes the lower one or `below` the
/// upper.
struct Limits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool above = false;
  bool below = false;

  constexpr bool allow(double value) const {
    return (above ? value > low : value >= low) && (below ? value < high : value <= high);
  }
};

constexpr Limits at_least(double low) { return {.low = low}; }
constexpr Limits above(double low) { return {.low = low, .above = true}; }
constexpr Limits between(double low, double high) { return {.low = low, .high = high}; }
/// Above `low`, up to `high`, which may be taken.
constexpr Limits above_to(double low, double high) {
  return {.low = low, .high = high, .above = true};
}
/// Neither end may be taken.
constexpr Limits inside(double low, double high) {
  return {.low = low, .high = high, .above = true, .below = true};
}
/// From `low`, which may be taken, to `high`, which may not.
constexpr Limits from_to_below(double low, double high) {
  return {.low = low, .high = high, .below = true};
}

/// The spellings of an enumeration's values. Beside the enumeration stands, found by its argument,
///   constexpr Names<Kind, 2> names_of(Kind) { return {{{"sgd", Kind::sgd}, {"adam", Kind::adam}}};
///   }
/// with `friend` before it where the enumeration is a member of a struct.
template <class T, std::size_t N>
using Names = std::array<std::pair<const char*, T>, N>;

template <class T>
concept Named = requires(T value) {
  names_of(value);
};

/// The spelling of an enumeration's value.
template <Named T>
const char* name_of(T value) {
  for (const auto& [name, other] : names_of(value)) {
    if (other == value) return name;
  }
  return "";
}

/// A name out of a table, e.g. of a data set: `static constexpr const char* what`, "a data set",
/// and `static std::vector<std::string> names()`.
template <class T>
concept Word = requires(T word) {
  word.name;
  T::what;
  T::names();
};

/// One of the things that a file can name, and a line on it.
struct Alternative {
  std::string name;
  std::string description;
};

/// The visible list of a kind of things: aggregation rules, stages, triggers, ... Each class has
///   static constexpr const char* kName         as in the file, "krum"
///   static constexpr const char* kDescription  a line for `redoubt list`
///   Settings                                   a struct with keys(), another for each class
/// A kind is a struct made from its list that says what one of them is called:
///   struct Rules : ListOf<FedAvg, Krum> { static constexpr const char* what = "an aggregation
///   rule"; };
/// With `static constexpr const char* key` the name stands under that key beside the settings,
/// `{kind: pixels, row: 2}`; without it is `krum`, or `{krum: {malicious: 2}}`.
template <class... Classes>
struct ListOf {
  /// What an experiment says: which one, and its settings; the first is the default.
  using Settings = std::variant<typename Classes::Settings...>;

  static std::vector<Alternative> table() {
    return {Alternative{Classes::kName, Classes::kDescription}...};
  }
  static const char* name_of(const Settings& settings) {
    static constexpr std::array<const char*, sizeof...(Classes)> names = {Classes::kName...};
    return names[settings.index()];
  }
  /// Calls body.operator()<Class>(settings) for the class that these settings are of.
  template <class Body>
  static decltype(auto) with_class(const Settings& settings, const Body& body) {
    return with_class_from<0, Body, Classes...>(settings, body);
  }

 private:
  template <std::size_t Index, class Body, class First, class... Rest>
  static decltype(auto) with_class_from(const Settings& settings, const Body& body) {
    if constexpr (sizeof...(Rest) > 0) {
      if (settings.index() != Index) {
        return with_class_from<Index + 1, Body, Rest...>(settings, body);
      }
    }
    return body.template operator()<First>(std::get<Index>(settings));
  }
};

/// An object of a listed class, from its settings, or from them and the environment if it takes
/// that.
template <class Class, class Environment>
std::unique_ptr<Class> make_listed(const typename Class::Settings& settings,
                                   const Environment& environment) {
  if constexpr (std::is_constructible_v<Class, decltype(settings), const Environment&>) {
    return std::make_unique<Class>(settings, environment);
  } else {
    return std::make_unique<Class>(settings);
  }
}

/// The `static void check(settings, conditions)` of a listed class, if it has one. It throws
/// InputError naming the key for what cannot be, or would do nothing.
template <class Class, class Conditions>
void check_listed(const typename Class::Settings& settings, Conditions& conditions) {
  if constexpr (requires { Class::check(settings, conditions); }) {
    Class::check(settings, conditions);
  }
}

/// The kind that settings are of: specialise `using type = Rules;` beside the list.
template <class Settings>
struct KindOf;

}  // namespace redoubt
