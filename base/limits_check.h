// Whether numbers of settings that come from no file are what their keys allow.
#pragma once

#include <string>
#include <type_traits>

#include "base/keys.h"

namespace redoubt {

/// Throws InputError, "conv.kernel is 0; it must be a whole number from 1 to 64", unless allowed.
void check_limits(const std::string& path, double value, const Limits& limits, bool whole);

/// A visitor of keys (base/keys.h) that checks each number.
class LimitsCheck {
 public:
  explicit LimitsCheck(const std::string& of) : of_(of) {}

  template <class T>
  void field(const char* key, const T& value, const char* /*help*/, const Limits& limits = {}) {
    if constexpr (std::is_arithmetic_v<T>) {
      check_limits(of_ + "." + key, static_cast<double>(value), limits, std::is_integral_v<T>);
    }
  }
  template <class T>
  void required(const char* key, const T& value, const char* help, const Limits& limits = {}) {
    field(key, value, help, limits);
  }

 private:
  std::string of_;
};

/// Throws InputError for the first number that its key does not allow. `of`: what the settings are
/// of, "conv".
template <class Settings>
void check_limits(const std::string& of, const Settings& settings) {
  LimitsCheck check(of);
  Settings::keys(check, settings);
}

}  // namespace redoubt
