#include "base/limits_check.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/check.h"

namespace redoubt {

namespace {

/// As short as it can be.
std::string number_text(double number) {
  char text[32];
  const bool whole = number == std::floor(number) && std::abs(number) < 1e15;
  const auto end = whole
                       ? std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(number))
                       : std::to_chars(text, text + sizeof text, number);
  return {text, end.ptr};
}

}  // namespace

std::string limits_text(const Limits& limits, bool whole) {
  const auto& [low, high, above, below] = limits;
  const std::string kind = whole ? "a whole number" : "a number";
  // What an int can hold is no bound to tell of.
  if (std::isfinite(low) && std::isfinite(high) && std::abs(high) < 0x1p31 - 1) {
    return kind + (above ? " above " : " from ") + number_text(low) +
           (below ? " to below " : " to ") + number_text(high);
  }
  if (!std::isfinite(low) || low <= -0x1p31) return kind;
  return kind + (above ? " above " : ", at least ") + number_text(low);
}

void check_limits(const std::string& path, double value, const Limits& limits, bool whole) {
  if (limits.allow(value)) return;
  throw InputError(path + " is " + number_text(value) + "; it must be " +
                   limits_text(limits, whole));
}

void LimitsCheck::require(bool holds, const std::string& message) const {
  if (!holds && holds_) throw InputError(of_ + ": " + message);
}

}  // namespace redoubt
