// What an experiment may ask for and still not mean: an attack that hardly takes place, data that
// hardly anybody gets. None of it is an error.
#pragma once

#include <string>
#include <vector>

#include "experiments/simulation/experiment.h"
#include "experiments/simulation/experiment_data.h"

namespace redoubt::experiments {

/// Each a sentence that names the keys.
std::vector<std::string> warnings_of(const Experiment& experiment, const ExperimentData& data);

/// In how many rounds of training somebody attacks.
int attacked_rounds(const Experiment& experiment, const ExperimentData& data);

}  // namespace redoubt::experiments
