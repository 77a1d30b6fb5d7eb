// `redoubt defend`: pipelines of stages on a run that is over, without training again.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace redoubt::experiments {

struct DefendOptions {
  std::filesystem::path run;                 ///< a finished run's folder
  std::vector<std::filesystem::path> files;  ///< each holds `after_training`, a list or a map
  std::vector<std::string> overrides;        ///< of the run's experiment, e.g. device=cpu
  bool overwrite = false;
  bool quiet = false;
};

/// Applies every pipeline to the run's trained model, with its data, clients and attack as stored,
/// and writes <run>/defend/<pipeline>/ (metrics.jsonl, model.safetensors, pipeline.yaml and, last,
/// summary.json). A list is named after its file, a map's pipelines by their keys. The results are
/// those that the run itself would have had.
///
/// Returns 0, or 130 if `stop` ended it early; pipelines that were through stay. Throws InputError
/// if the run is not finished, a file holds no pipeline, or a pipeline has been applied before.
int defend_command(const DefendOptions& options, const std::atomic<bool>& stop);

}  // namespace redoubt::experiments
