// Text from outside, as a message may hold it: on one line, whatever bytes it has.
#pragma once

#include <string>
#include <string_view>

namespace redoubt {

/// The text with control characters, line ends and bytes that are no UTF-8 escaped: "\n", "\x1b".
std::string printable(std::string_view text);

/// The same in quotation marks, which it is free of, and cut after some dozens of bytes.
std::string in_quotes(std::string_view text);

}  // namespace redoubt
