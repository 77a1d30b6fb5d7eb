// The reference of all keys of an experiment file, for people.
#pragma once

#include <string>

namespace redoubt::experiments {

/// The page docs/experiment-file.md: what experiment_schema() says, as Markdown.
std::string experiment_reference();

}  // namespace redoubt::experiments
