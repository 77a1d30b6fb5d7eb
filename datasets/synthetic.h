// Data sets made on the spot, for tests and demos: ten classes of bright strokes on dark, textured
// ground.
#pragma once

#include <cstdint>

#include "datasets/dataset.h"

namespace redoubt {

/// `train_count` and `test_count` images of shape 1x28x28 or 3x32x32. A class is a figure of three
/// strokes, shifted, turned, scaled and dimmed at random and laid over noise. Image i is drawn from
/// (seed, synthetic_data, i), so a larger set begins with the smaller one.
Dataset make_synthetic(const std::string& name, const Shape& shape, int train_count, int test_count,
                       std::uint64_t seed);

}  // namespace redoubt
