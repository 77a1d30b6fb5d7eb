// A few images that an attack is measured on, clean and stamped, for a reader's eyes.
#pragma once

#include "engine/safetensors.h"
#include "experiments/simulation/experiment_data.h"

namespace redoubt::experiments {

/// Bytes `clean` and `stamped` [images][C][H][W] and, where attackers stamp different parts of a
/// trigger, `parts` [parts][C][H][W], the first image under each. The metadata hold the images'
/// true `labels` and the `target`. Empty where no backdoor is planned.
TensorFile example_images(const ExperimentData& data);

}  // namespace redoubt::experiments
