// The first values of a model.
#pragma once

#include <cstdint>
#include <span>

#include "engine/layer_spec.h"
#include "engine/parameter_layout.h"

namespace redoubt {

/// Fills a row (host memory, layout.row_size() floats) with fresh weights; the padding between
/// spans is 0. Each tensor has its own random stream, keyed by (seed, initialization, its index).
void initialize(const ParameterLayout& layout, Initialization initialization, std::uint64_t seed,
                std::span<float> row);

}  // namespace redoubt
