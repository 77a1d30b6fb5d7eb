// What an experiment may ask for, or come to, and still not mean: an attack that hardly takes
// place, data that hardly anybody gets, a model that is no model any more. None of it is an error.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/runner/experiment_data.h"
#include "experiments/runner/spec.h"

namespace redoubt::runner {

/// Each a sentence that names the keys.
std::vector<std::string> warnings_of(const Experiment& experiment, const ExperimentData& data);

/// What a finished run's figures do not say by themselves, from the lines of its metrics.jsonl:
/// that nothing was aggregated, that the model diverged, that the round kept is from before the
/// attack.
std::vector<std::string> outcome_warnings(const Experiment& experiment,
                                          const std::vector<nlohmann::ordered_json>& metrics);

/// In how many rounds of training somebody attacks.
int attacked_rounds(const Experiment& experiment, const ExperimentData& data);

}  // namespace redoubt::runner
