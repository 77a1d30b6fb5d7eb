#include "experiments/run/run_folder.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/parse_number.h"
#include "experiments/simulation/round_kinds.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kMetricsBytes = "metrics_bytes";
constexpr const char* kSeconds = "seconds";

/// Settings that may change between a run and its resumption.
Experiment without_free_settings(Experiment experiment) {
  experiment.threads.reset();
  experiment.output = {};
  return experiment;
}

/// Of a file that is gone, or that nobody noted the checksum of, only the name can be compared; and
/// what images were normalised by only where both know.
Experiment comparable(Experiment ours, const Experiment& theirs) {
  if (!ours.data.normalized_by || !theirs.data.normalized_by) {
    ours.data.normalized_by = theirs.data.normalized_by;
  }
  if (!ours.model.initial_checksum || !theirs.model.initial_checksum) {
    ours.model.initial_checksum = theirs.model.initial_checksum;
  }
  return ours;
}

[[noreturn]] void refuse_existing(const fs::path& folder) {
  throw InputError(folder.string() +
                   ": already holds a run; --resume continues it, --overwrite replaces it, "
                   "--output chooses another folder");
}

/// Whether a folder is empty but for what a run may leave that was killed before it began.
bool is_blank(const RunFiles& files) {
  return std::all_of(fs::directory_iterator(files.folder), fs::directory_iterator(),
                     [&](const fs::directory_entry& entry) {
                       return entry.path() == files.experiment().string() + ".part";
                     });
}

std::uintmax_t metrics_bytes(const TensorFile& checkpoint, const fs::path& path) {
  const auto found = checkpoint.metadata.find(kMetricsBytes);
  if (found != checkpoint.metadata.end()) {
    if (const auto bytes = parsed_number<std::uintmax_t>(found->second)) return *bytes;
  }
  throw InputError(path.string() + ": the checkpoint does not say how long metrics.jsonl was");
}

/// Throws InputError with the first line in which two texts of settings differ.
void require_same_lines(const std::string& our_text, const std::string& their_text,
                        const fs::path& theirs, const std::string& advice) {
  std::istringstream our_stream(our_text);
  std::istringstream their_stream(their_text);
  const auto trimmed = [](const std::string& line) {
    const std::size_t start = line.find_first_not_of(' ');
    return start == std::string::npos ? "nothing" : line.substr(start);
  };
  for (bool more = true; more;) {
    std::string our_line;
    std::string their_line;
    const bool our_more = static_cast<bool>(std::getline(our_stream, our_line));
    const bool their_more = static_cast<bool>(std::getline(their_stream, their_line));
    if (our_line != their_line) {
      throw InputError(theirs.string() + ": the run there has \"" + trimmed(their_line) +
                       "\", this experiment has \"" + trimmed(our_line) + "\"; " + advice);
    }
    more = our_more || their_more;
  }
}

/// What rules left of single rounds of training.
void copy_round_tensors(const fs::path& from, const fs::path& to) {
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    if (!RunFiles::is_round_tensors(entry.path(), kRound)) continue;
    fs::copy_file(entry.path(), to / entry.path().filename(), fs::copy_options::overwrite_existing);
  }
}

}  // namespace

void require_same_experiment(const Experiment& experiment, const fs::path& folder) {
  const fs::path stored = RunFiles{folder}.experiment();
  const Experiment theirs = read_experiment(stored);
  require_same_lines(resolved_yaml(without_free_settings(comparable(experiment, theirs))),
                     resolved_yaml(without_free_settings(theirs)), stored,
                     "resume with the same settings, or choose another folder with --output");
}

std::string training_settings(Experiment experiment) {
  experiment = without_free_settings(std::move(experiment));
  experiment.name.clear();
  experiment.defense.pipelines.clear();
  return resolved_yaml(experiment);
}

RunFolder::RunFolder(const Experiment& experiment, Existing existing)
    : files_{experiment.output.directory / experiment.name} {
  if (!fs::exists(files_.experiment())) {
    if (fs::exists(path()) && !(fs::is_directory(path()) && is_blank(files_))) {
      throw InputError(path().string() +
                       ": is there already and holds no run; choose another folder with --output");
    }
    return;
  }
  if (existing == Existing::refuse) {
    refuse_existing(path());
  }
  lock_.emplace(path());
  if (existing == Existing::overwrite) return;
  require_same_experiment(experiment, path());
  finished_ = fs::exists(files_.summary());
  if (!finished_ && fs::exists(files_.checkpoint())) {
    checkpoint_ = read_safetensors(files_.checkpoint());
  }
}

void RunFolder::take_training(const Experiment& experiment, const fs::path& run) {
  const RunFiles other = {run};
  const fs::path stored = other.experiment();
  const fs::path trained = other.trained();
  if (!fs::exists(stored)) throw InputError(run.string() + ": holds no run");
  if (!fs::exists(trained)) throw InputError(run.string() + ": its training is not over");
  const Experiment theirs = read_experiment(stored);
  require_same_lines(training_settings(comparable(experiment, theirs)), training_settings(theirs),
                     stored, "only name, output and stages after training may differ");
  if (checkpoint_) return;
  checkpoint_ = read_safetensors(trained);
  taken_from_ = other;
  taken_metrics_ = training_lines(other.metrics());
}

void RunFolder::open(const Experiment& experiment) {
  std::error_code error;
  fs::create_directories(path(), error);
  if (error) throw InputError(path().string() + ": cannot make the folder: " + error.message());
  if (!lock_) {
    lock_.emplace(path());
    // Since this run looked, another may have begun and even ended.
    if (fs::exists(files_.experiment())) refuse_existing(path());
  }
  const fs::path metrics_path = files_.metrics();
  if (taken_metrics_) {
    begin_anew();
    copy_round_tensors(taken_from_.folder, path());
    write_file_atomically(metrics_path, *taken_metrics_);
  } else if (checkpoint_) {
    const std::uintmax_t bytes = metrics_bytes(*checkpoint_, files_.checkpoint());
    if (!fs::exists(metrics_path) || fs::file_size(metrics_path) < bytes) {
      throw InputError(metrics_path.string() +
                       ": shorter than the checkpoint says; the run cannot be resumed");
    }
    fs::resize_file(metrics_path, bytes);
    read_records(metrics_path);  // a damaged line is told now, not when the run has ended
  } else {
    begin_anew();
  }
  write_file_atomically(files_.experiment(), resolved_yaml(experiment));
  fs::create_directories(files_.checkpoints(), error);
  if (error) throw InputError(path().string() + ": cannot make the folder: " + error.message());
  metrics_.open(metrics_path, std::ios::binary | std::ios::app);
  if (!metrics_) throw InputError(metrics_path.string() + ": cannot write");
}

/// Removes what an earlier run left, in this order: a run killed here never finds a checkpoint
/// without the metrics before it.
void RunFolder::begin_anew() const {
  fs::remove(files_.summary());
  fs::remove(files_.checkpoint());
  fs::remove(files_.trained());
  for (const fs::path& folder : {files_.pipelines(), files_.defends()}) fs::remove_all(folder);
  for (const fs::path& file : {files_.metrics(), files_.log(), files_.conv_engines()}) {
    fs::remove(file);
  }
  // The model, the example images, and what rules left of single rounds.
  std::vector<fs::path> tensors;
  for (const fs::directory_entry& entry : fs::directory_iterator(path())) {
    if (RunFiles::is_tensors(entry.path())) tensors.push_back(entry.path());
  }
  for (const fs::path& path : tensors) fs::remove(path);
}

void RunFolder::append(const Record& record) {
  metrics_ << to_json(record).dump() << '\n' << std::flush;
  if (!metrics_) throw InputError(files_.metrics().string() + ": cannot write");
}

void RunFolder::save_checkpoint(TensorFile state) {
  // The metrics before the checkpoint that counts them, whatever happens to the power.
  flush_file(files_.metrics());
  state.metadata[kMetricsBytes] = std::to_string(fs::file_size(files_.metrics()));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
  state.metadata[kSeconds] = std::to_string(seconds_before() + seconds.count());
  write_safetensors(files_.checkpoint(), state);
}

double RunFolder::seconds_before() const {
  if (!checkpoint_) return 0;
  const auto found = checkpoint_->metadata.find(kSeconds);
  return found == checkpoint_->metadata.end() ? 0 : std::strtod(found->second.c_str(), nullptr);
}

void RunFolder::save_examples(const TensorFile& images) {
  const fs::path path = files_.examples();
  if (!images.bytes.empty() && !fs::exists(path)) write_safetensors(path, images);
}

void RunFolder::save_trained(const TensorFile& state) {
  write_safetensors(files_.trained(), state);
}

void RunFolder::save_pipeline(const std::string& name, const TensorFile& model) {
  fs::create_directories(files_.pipelines());
  write_safetensors(files_.pipeline(name), model);
}

void RunFolder::save_tensors(const std::string& kind, int round, const TensorFile& tensors) {
  write_safetensors(files_.round_tensors(kind, round), tensors);
}

void RunFolder::finish(const TensorFile& model, const Json& summary) {
  write_safetensors(files_.model(), model);
  write_file_atomically(files_.summary(), summary.dump(2) + "\n");
}

}  // namespace redoubt::experiments
