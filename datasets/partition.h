// Who holds which training images.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datasets/partition/dirichlet.h"
#include "datasets/partition/iid.h"
#include "datasets/partition/k_label.h"

namespace redoubt {

/// A new one is a pair of files in partition/ and a name in this list.
struct Partitions : ListOf<Iid, KLabel, Dirichlet> {
  static constexpr const char* what = "a partition";
  static constexpr const char* key = "kind";
};
using PartitionSettings = Partitions::Settings;
template <>
struct KindOf<PartitionSettings> {
  using type = Partitions;
};

/// The training images kept by the server: `count` of `pool` (indices into `labels`), with equal
/// counts a class as far as possible, drawn from (seed, validation_split). Returns ascending
/// indices. Throws InputError if there are not more images.
std::vector<int> draw_validation(std::span<const std::uint8_t> labels, int classes,
                                 std::span<const int> pool, int count, std::uint64_t seed);

/// Deals the images `pool` (indices into `labels`) out to `clients` clients: result[k] are client
/// k's, in ascending order. No image is dealt twice. Clients that are required to hold a label do.
/// Drawn from (seed, partition). Throws InputError for settings that cannot be met, or if a client
/// would have no image.
ImageLists partition(std::span<const std::uint8_t> labels, int classes, std::span<const int> pool,
                     int clients, const PartitionSettings& settings, const HoldsLabel& required,
                     std::uint64_t seed);

}  // namespace redoubt
