// Whether settings that come from no file are what their keys allow.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/keys.h"

namespace redoubt {

/// "a whole number from 1 to 9"
std::string limits_text(const Limits& limits, bool whole);

/// Throws InputError, "conv.kernel is 0; it must be a whole number from 1 to 64", unless allowed.
void check_limits(const std::string& path, double value, const Limits& limits, bool whole);

/// A visitor of keys (base/keys.h) that checks each number; not those of settings in settings.
class LimitsCheck {
 public:
  /// `of`: what the settings are of, "conv".
  explicit LimitsCheck(const std::string& of, bool holds = true) : of_(of), holds_(holds) {}

  template <class T>
  void field(const char* key, const T& value, const char* /*help*/,
             const Limits& limits = {}) const {
    if constexpr (std::is_arithmetic_v<T>) {
      if (!holds_) return;
      check_limits(of_ + "." + key, static_cast<double>(value), limits, std::is_integral_v<T>);
    }
  }
  template <class T>
  void field(const char* key, const std::optional<T>& value, const char* help,
             const Limits& limits = {}) const {
    if (value) field(key, *value, help, limits);
  }
  template <class T>
  void field(const char* key, const std::vector<T>& values, const char* help,
             const Limits& limits = {}) const {
    for (const T& value : values) field(key, value, help, limits);
  }
  template <class T>
  void required(const char* key, const T& value, const char* help,
                const Limits& limits = {}) const {
    field(key, value, help, limits);
  }
  template <class T>
  void field_or(const char* key, const T& value, const char* /*word*/, const char* help,
                const Limits& limits = {}) const {
    field(key, value, help, limits);
  }
  template <class T>
  void given(const char* key, const T& value, const char* help, const Limits& limits = {}) const {
    field(key, value, help, limits);
  }
  template <class E, class... Values>
  LimitsCheck when(const char* /*key*/, const E& member, const Values&... values) const {
    return LimitsCheck(of_, holds_ && ((member == values) || ...));
  }
  void require(bool holds, const std::string& message) const;

 private:
  std::string of_;
  bool holds_;  ///< the conditions of the keys that this visitor is given
};

/// Throws InputError for the first number that its key does not allow.
template <class Settings>
void check_limits(const std::string& of, const Settings& settings) {
  LimitsCheck check(of);
  Settings::keys(check, settings);
}

}  // namespace redoubt
