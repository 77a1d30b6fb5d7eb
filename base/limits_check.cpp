#include "base/limits_check.h"

#include <charconv>
#include <cmath>

#include "base/check.h"

namespace redoubt {

namespace {

/// As short as it can be.
std::string number_text(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

std::string limits_text(const Limits& limits, bool whole) {
  std::string text = whole ? "a whole number" : "a number";
  if (std::isfinite(limits.low) && std::isfinite(limits.high) && std::abs(limits.high) < 0x1p31) {
    return text + (limits.above ? " above " : " from ") + number_text(limits.low) +
           (limits.below ? " to below " : " to ") + number_text(limits.high);
  }
  if (!std::isfinite(limits.low) || limits.low <= -0x1p31) return text;
  return text + (limits.above ? " above " : ", at least ") + number_text(limits.low);
}

}  // namespace

void check_limits(const std::string& path, double value, const Limits& limits, bool whole) {
  if (limits.allow(value)) return;
  throw InputError(path + " is " + number_text(value) + "; it must be " +
                   limits_text(limits, whole));
}

void LimitsCheck::require(bool holds, const std::string& message) const {
  if (!holds && holds_) throw InputError(of_ + ": " + message);
}

}  // namespace redoubt
