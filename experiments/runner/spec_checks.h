// Settings that are fine one by one but not together.
#pragma once

#include <cstddef>

#include "experiments/runner/spec.h"

namespace redoubt::runner {

/// Letters of an experiment's name, which is a folder's.
inline constexpr std::size_t kLongestName = 200;

/// Throws InputError naming the keys: a name that is no folder's, an unknown data set, model or
/// rule, a model that does not fit the images, a trigger outside them, a victim that is the target
/// or no class, more clients a round than there are, a layer to prune that the model does not have,
/// and their like.
void check_experiment(const Experiment& experiment);

}  // namespace redoubt::runner
