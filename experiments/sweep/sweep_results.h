// results.csv of a sweep: a row a point and stage.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/file/sweep_points.h"
#include "experiments/run/record_line.h"

namespace redoubt::experiments {

/// A point that has ended.
struct SweepResult {
  const SweepPoint* point = nullptr;
  std::optional<RunSummary> summary;  ///< absent if it failed
};

/// The table as text: columns `point`, one an axis, `stage`, one for each number or word that a
/// stage of any point left (lists and notes stay in metrics.jsonl), and `seconds` of the whole run,
/// less what it took over from another's training. A failed point has one row whose stage is
/// "failed".
std::string results_csv(const std::vector<SweepResult>& results);

}  // namespace redoubt::experiments
