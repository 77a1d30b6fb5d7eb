// `redoubt sweep`: the points of a sweep side by side, each in a process of its own.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace redoubt::experiments {

struct SweepOptions {
  std::filesystem::path file;
  std::vector<std::string> overrides;  ///< of every point, after its own
  std::vector<std::string> only;       ///< "axis=place": points elsewhere on that axis do not run
  int jobs = 0;                        ///< points at a time; 0: as many as there are CPU threads
  bool quiet = false;
};

/// Runs every point into <output.directory>/<name>/<point>/ and writes results.csv beside them,
/// with a copy of the file as sweep.yaml. Points that are finished are not run again, begun ones go
/// on. Points that differ in their stages only share their training. A point that fails is told and
/// leaves the others running. A point starts when there is memory for one as large as the largest
/// so far.
///
/// Returns 0; 1 if a point failed; 130 if `stop` ended the sweep early. Throws InputError, before
/// anything runs, if a point is no valid experiment or its folder holds a run of other settings.
int sweep_command(const SweepOptions& options, const std::atomic<bool>& stop);

/// Checks every point of a file's sweep and prints their names. Throws InputError.
int check_sweep_command(const std::filesystem::path& file,
                        const std::vector<std::string>& overrides);

}  // namespace redoubt::experiments
