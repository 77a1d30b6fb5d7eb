// What a finished run's figures do not say by themselves.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/simulation/experiment.h"

namespace redoubt::experiments {

/// What a finished run's figures do not say by themselves, from the lines of its metrics.jsonl:
/// that nothing was aggregated, that the model diverged, that the round kept is from before the
/// attack.
std::vector<std::string> outcome_warnings(const Experiment& experiment,
                                          const std::vector<nlohmann::ordered_json>& metrics);

}  // namespace redoubt::experiments
