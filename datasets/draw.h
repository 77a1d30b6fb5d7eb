// Drawing images with equal counts a class.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace redoubt {

/// The images of each class, shuffled: result[label] are indices into `labels` taken from `pool`.
std::vector<std::vector<int>> shuffled_by_class(std::span<const std::uint8_t> labels, int classes,
                                                std::span<const int> pool, RandomStream& random);

/// `count` indices into `labels` taken from `pool`, ascending, with equal counts a class as far as
/// there are images: in turn, each class that has one left gives one. `count` is at most the pool's
/// size.
std::vector<int> draw_balanced(std::span<const std::uint8_t> labels, int classes,
                               std::span<const int> pool, int count, const RandomKey& key);

}  // namespace redoubt
