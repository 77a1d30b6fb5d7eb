// The JSON Schema of experiment files.
#pragma once

#include <nlohmann/json.hpp>

namespace redoubt::experiments {

/// The schema of a whole file, `sweep` and `paper` blocks included. It passes every file that the
/// program takes, but for two habits: numbers in quotes, and settings that only a sweep's points
/// make right. It refuses unknown keys, wrong types and values out of range; settings that
/// contradict one another are left to the program.
nlohmann::ordered_json experiment_schema();

}  // namespace redoubt::experiments
