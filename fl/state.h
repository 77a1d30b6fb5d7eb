// Tensors that rules and attacks remember, told apart by what their names start with.
#pragma once

#include <string>
#include <vector>

#include "engine/safetensors.h"

namespace redoubt {

/// Adds the tensors of one who remembers, each under `prefix` and its own name.
void append_state(const std::string& prefix, std::vector<NamedTensor> own,
                  std::vector<NamedTensor>& all);

/// Those of all whose names start with the prefix, under their own names again.
std::vector<NamedTensor> part_of_state(const std::string& prefix,
                                       const std::vector<NamedTensor>& all);

}  // namespace redoubt
