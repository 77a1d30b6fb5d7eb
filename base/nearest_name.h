// "Did you mean": the known name nearest to a misspelt one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace redoubt {

/// The candidate with the least Levenshtein distance to the word, the first of equals; empty if
/// even that one differs in more than a third of its letters (at least two are allowed).
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// For the end of a message: `; did you mean "x"?` if a candidate is near, else the list of
/// candidates:
/// `; it may be a, b or c`.
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace redoubt
