// What the `paper` block of an experiment file says of the sweep's axes.
#pragma once

#include <optional>
#include <vector>

#include "experiments/file/paper_block.h"
#include "experiments/file/sweep_points.h"
#include "experiments/file/yaml_value.h"

namespace redoubt::experiments {

/// Reads the block, absent if there is none. Throws InputError with the place; also if it names an
/// axis or a place that the points do not have.
std::optional<PaperBlock> read_paper(const YamlValue& root, const std::vector<SweepPoint>& points);

}  // namespace redoubt::experiments
