// What a sweep settles before its first point runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/file/experiment_file.h"
#include "experiments/file/sweep_points.h"

namespace redoubt::experiments {

/// [points] every point as an experiment. Throws InputError naming the point, also if what is set
/// for all points contradicts what tells them apart.
std::vector<Experiment> read_points(const std::filesystem::path& file,
                                    const std::vector<std::string>& overrides,
                                    const std::vector<SweepPoint>& points);

/// Throws InputError if a point's folder holds a run of other settings: its results would stand in
/// the table as this sweep's.
void check_folders(const std::filesystem::path& folder, const std::vector<SweepPoint>& points,
                   std::vector<Experiment> experiments);

/// Throws InputError if the folder holds a sweep over other axes: its table would be replaced.
void check_axes(const std::filesystem::path& folder, const std::vector<SweepPoint>& points);

/// [points] a number for each training, counted from 0: points of the same number share theirs.
std::vector<int> number_trainings(const std::vector<Experiment>& experiments);

/// Throws InputError for an "axis=place" that no point has.
void check_only(const std::vector<SweepPoint>& points, const std::vector<std::string>& only);
/// Whether a point has one of the wanted places on each axis that is named.
bool is_chosen(const SweepPoint& point, const std::vector<std::string>& only);

}  // namespace redoubt::experiments
