// A run's folder: what of it is made when, and what a run may find there. Names are in run_files.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/safetensors.h"
#include "experiments/file/experiment_file.h"
#include "experiments/run/folder_lock.h"
#include "experiments/run/record_line.h"
#include "experiments/run/run_files.h"
#include "fl/record.h"

namespace redoubt::experiments {

/// What to do if the folder already holds a run.
enum class Existing : std::uint8_t { refuse, resume, overwrite };

/// Throws InputError, naming the first setting that differs, unless the run in that folder is this
/// experiment; threads and output may differ.
void require_same_experiment(const Experiment& experiment, const std::filesystem::path& folder);
/// The settings that training depends on, as text: experiments that agree in them, whatever their
/// names and their stages after training, end training with the same bits.
std::string training_settings(Experiment experiment);

class RunFolder {
 public:
  /// Looks at <output.directory>/<name> and writes nothing yet. Throws InputError if it holds a run
  /// and may not, is to be resumed with other settings (naming the first that differs; threads and
  /// output may differ), or if another process is at work there.
  RunFolder(const Experiment& experiment, Existing existing);

  const std::filesystem::path& path() const { return files_.folder; }
  const RunFiles& files() const { return files_; }
  /// The run in the folder is complete; there is nothing left to do.
  bool finished() const { return finished_; }
  /// The state to go on from, if there is one.
  const std::optional<TensorFile>& checkpoint() const { return checkpoint_; }
  /// Lets this run, if it has no checkpoint, go on from the end of the training of another, of
  /// which it takes over the metrics, too. Throws InputError if that has not ended or is another
  /// training.
  void take_training(const Experiment& experiment, const std::filesystem::path& run);
  bool took_training() const { return taken_metrics_.has_value(); }

  /// Makes the folder ready: writes experiment.yaml, and cuts metrics.jsonl back to the checkpoint
  /// (or to nothing). What an overwritten run left is removed, and what `redoubt defend` made of
  /// it.
  void open(const Experiment& experiment);
  /// Adds a line to metrics.jsonl.
  void append(const Record& record);
  /// Replaces the checkpoint. It also notes how long metrics.jsonl is.
  void save_checkpoint(TensorFile state);
  /// A few images with the trigger and without, unless they are there; none are no file.
  void save_examples(const TensorFile& images);
  /// The state that the stages started from; redoubt defend starts there, too.
  void save_trained(const TensorFile& state);
  /// What a rule left of a round, of a kind as in round_kinds.h.
  void save_tensors(const std::string& kind, int round, const TensorFile& tensors);
  /// The model that a named pipeline ended with.
  void save_pipeline(const std::string& name, const TensorFile& model);
  /// Seconds that earlier sessions spent on the run up to its checkpoint.
  double seconds_before() const;
  /// Writes the model and, last, summary.json, which marks the run as finished.
  void finish(const TensorFile& model, const nlohmann::ordered_json& summary);

  /// Throws InputError for a line that is damaged.
  std::vector<RecordLine> metrics() const { return read_records(files_.metrics()); }

 private:
  void begin_anew() const;

  RunFiles files_;
  bool finished_ = false;
  std::optional<TensorFile> checkpoint_;
  std::optional<FolderLock> lock_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  RunFiles taken_from_;                       ///< the run whose training is taken over, if one is
  std::optional<std::string> taken_metrics_;  ///< of that training
  std::ofstream metrics_;
};

}  // namespace redoubt::experiments
