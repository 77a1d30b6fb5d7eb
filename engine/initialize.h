// The first values of a model.
#pragma once

#include <cstdint>
#include <span>

#include "base/keys.h"
#include "engine/parameter_layout.h"

namespace redoubt {

/// How weights start.
enum class Initialization : std::uint8_t {
  uniform_fan_in,  ///< PyTorch's default: weights and biases uniform in ±1/√fan_in
  he,              ///< He et al. 2015: normal, variance 2/fan_in; biases 0
  xavier,          ///< Glorot and Bengio 2010: uniform in ±√(6/(fan_in + fan_out)); biases 0
};
constexpr Names<Initialization, 3> names_of(Initialization) {
  return {{{"uniform-fan-in", Initialization::uniform_fan_in},
           {"he", Initialization::he},
           {"xavier", Initialization::xavier}}};
}

/// Fills a row (host memory, layout.row_size() floats) with fresh weights; the padding between
/// spans is 0. Each tensor has its own random stream, keyed by (seed, initialization, its index).
void initialize(const ParameterLayout& layout, Initialization initialization, std::uint64_t seed,
                std::span<float> row);

}  // namespace redoubt
