#include "base/printable.h"

#include <cstddef>
#include <cstdint>

namespace redoubt {

namespace {

constexpr std::size_t kMostQuoted = 80;  // bytes

/// Bytes of the UTF-8 character that the text starts with; 0 if it starts with none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than need be, a surrogate, or beyond the last character.
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

std::string escaped(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (c == '\n') return "\\n";
  if (c == '\t') return "\\t";
  if (c == '\r') return "\\r";
  const auto byte = static_cast<std::uint8_t>(c);
  return {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]};
}

}  // namespace

std::string printable(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const bool control = length == 1 && (text[0] < ' ' || text[0] == '\x7f');
    if (length == 0 || control) {
      line += escaped(text[0]);
      text.remove_prefix(1);
    } else {
      line += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return line;
}

std::string in_quotes(std::string_view text) {
  if (text.size() <= kMostQuoted) return "\"" + printable(text) + "\"";
  // Not within a character.
  std::size_t end = kMostQuoted;
  while (end > kMostQuoted - 3 && (static_cast<std::uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return "\"" + printable(text.substr(0, end)) + "\"...";
}

}  // namespace redoubt
