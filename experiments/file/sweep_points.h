// The `sweep` block of an experiment file: axes, and a point for each combination of their values.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace redoubt::experiments {

/// One experiment of a sweep.
struct SweepPoint {
  std::string name;  ///< "seed=1,rule=krum"; names its folder
  /// [axes] each axis and the point's place on it: {"seed", "1"}, {"rule", "krum"}.
  std::vector<std::pair<std::string, std::string>> places;
  std::vector<std::string> overrides;  ///< "key.path=value", as of --set
};

/// The points of a file's `sweep` block, the last axis turning fastest; none if there is no block.
/// An axis is a key over a list of values, or a name over named sets of keys:
///
///   sweep:
///     seed: [1, 2, 3]
///     rule:
///       fedavg: {defense.rule: fedavg}
///       krum: {defense.rule: {krum: {malicious: 5}}}
///
/// A value elsewhere in the file may name an axis, which stands for the point's place on it:
/// `initial: start-${seed}.safetensors`.
///
/// Throws InputError with file and line, also where two axes contradict one another and for what is
/// wrong in the file's `paper` block.
std::vector<SweepPoint> sweep_points(const std::filesystem::path& file);

/// The names of a file's axes, in their order, whatever else is right or wrong in it.
std::vector<std::string> sweep_axes(const std::filesystem::path& file);

/// Whether a later override "key=value" undoes an earlier one, so that a point with both would not
/// be what its name says: it sets the same key or one that holds it, or a part of what the earlier
/// one has set to null.
bool contradicts(const std::string& earlier, const std::string& later);

/// The overrides of the point of that name followed by `overrides`. An empty name stands for a file
/// without a sweep. Throws InputError if the file has a sweep and no point is named, or none of
/// that name.
std::vector<std::string> point_overrides(const std::filesystem::path& file,
                                         const std::string& point,
                                         const std::vector<std::string>& overrides);

}  // namespace redoubt::experiments
