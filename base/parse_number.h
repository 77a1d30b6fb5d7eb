// Numbers out of text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace redoubt {

/// The whole text as a number in plain decimal; nothing if it is anything else, or too large.
template <class Number>
std::optional<Number> parsed_number(std::string_view text) {
  Number number{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || end != last) return std::nullopt;
  return number;
}

}  // namespace redoubt
