// What a finished run's figures do not say by themselves.
#pragma once

#include <string>
#include <vector>

#include "experiments/run/record_line.h"
#include "experiments/simulation/experiment.h"

namespace redoubt::experiments {

/// From its records: that nothing was aggregated, that the model diverged or calls nearly all
/// images one class, that variances had to be raised, that the round kept is from before the
/// attack.
std::vector<std::string> outcome_warnings(const Experiment& experiment,
                                          const std::vector<RecordLine>& metrics);

}  // namespace redoubt::experiments
