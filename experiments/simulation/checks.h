// Settings that are fine one by one but not together.
#pragma once

#include <cstddef>
#include <span>

#include "engine/parameter_layout.h"
#include "experiments/simulation/experiment.h"

namespace redoubt::experiments {

/// Letters of an experiment's name, which is a folder's.
inline constexpr std::size_t kLongestName = 200;

/// Throws InputError naming the keys: a name that is no folder's, an unknown data set, model or
/// rule, a model that does not fit the images, a trigger outside them, a victim that is the target
/// or no class, more clients a round than there are, a layer to prune that the model does not have,
/// and their like.
void check_experiment(const Experiment& experiment);

/// Throws InputError for stages that cannot do what they say, e.g. that would prune more channels
/// than are left of a model of which some are pruned from the start, those that `mask` [mask row]
/// holds 0 for. Returns the names of those whose models the server judges.
std::vector<std::string> check_stages(const Experiment& experiment, const ParameterLayout& layout,
                                      std::span<const float> mask);

}  // namespace redoubt::experiments
