#include "experiments/run/run_folder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <type_traits>

#include "base/atomic_file.h"
#include "base/check.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kMetricsBytes = "metrics_bytes";
constexpr const char* kSeconds = "seconds";

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// Settings that may change between a run and its resumption.
Experiment without_free_settings(Experiment experiment) {
  experiment.threads.reset();
  experiment.output = {};
  return experiment;
}

/// Of a file that is gone, or that nobody noted the checksum of, only the name can be compared.
Experiment comparable(Experiment ours, const Experiment& theirs) {
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
bool is_blank(const fs::path& folder) {
  return std::all_of(fs::directory_iterator(folder), fs::directory_iterator(),
                     [](const fs::directory_entry& entry) {
                       return entry.path().filename() == "experiment.yaml.part";
                     });
}

std::uintmax_t metrics_bytes(const TensorFile& checkpoint, const fs::path& path) {
  const auto found = checkpoint.metadata.find(kMetricsBytes);
  std::uintmax_t bytes = 0;
  if (found != checkpoint.metadata.end()) {
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error == std::errc() && end == text.data() + text.size()) return bytes;
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

/// The lines of a run's metrics.jsonl that tell of its training.
std::string training_metrics(const fs::path& file) {
  std::string text;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const Json json = Json::parse(line, nullptr, false);
    const bool training = json.is_object() && (json.value("stage", "") == "round" ||
                                               json.value("stage", "") == "best_round");
    if (!training) break;
    text += line + "\n";
  }
  return text;
}

/// What rules left of single rounds of training.
void copy_round_tensors(const fs::path& from, const fs::path& to) {
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("round-") && entry.path().extension() == ".safetensors") {
      fs::copy_file(entry.path(), to / name, fs::copy_options::overwrite_existing);
    }
  }
}

}  // namespace

void require_same_experiment(const Experiment& experiment, const fs::path& folder) {
  const fs::path stored = folder / "experiment.yaml";
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

Json to_json(const Record& record) {
  Json json = {{"stage", record.stage}};
  for (const auto& [name, value] : record.values) {
    json[name] = std::visit(
        [](const auto& v) -> Json {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, double>) return number(v);
          if constexpr (std::is_same_v<T, std::vector<double>>) {
            Json list = Json::array();
            for (const double item : v) list.push_back(number(item));
            return list;
          }
          return v;
        },
        value);
  }
  return json;
}

RunFolder::RunFolder(const Experiment& experiment, Existing existing)
    : path_(experiment.output.directory / experiment.name) {
  if (!fs::exists(path_ / "experiment.yaml")) {
    if (fs::exists(path_) && !(fs::is_directory(path_) && is_blank(path_))) {
      throw InputError(path_.string() +
                       ": is there already and holds no run; choose another folder with --output");
    }
    return;
  }
  if (existing == Existing::refuse) {
    refuse_existing(path_);
  }
  lock_.emplace(path_);
  if (existing == Existing::overwrite) return;
  require_same_experiment(experiment, path_);
  finished_ = fs::exists(path_ / "summary.json");
  if (!finished_ && fs::exists(checkpoint_path())) {
    checkpoint_ = read_safetensors(checkpoint_path());
  }
}

void RunFolder::take_training(const Experiment& experiment, const fs::path& run) {
  const fs::path stored = run / "experiment.yaml";
  const fs::path trained = run / "checkpoint" / trained_path().filename();
  if (!fs::exists(stored)) throw InputError(run.string() + ": holds no run");
  if (!fs::exists(trained)) throw InputError(run.string() + ": its training is not over");
  const Experiment theirs = read_experiment(stored);
  require_same_lines(training_settings(comparable(experiment, theirs)), training_settings(theirs),
                     stored, "only name, output and stages after training may differ");
  if (checkpoint_) return;
  checkpoint_ = read_safetensors(trained);
  taken_from_ = run;
  taken_metrics_ = training_metrics(run / "metrics.jsonl");
}

void RunFolder::open(const Experiment& experiment) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw InputError(path_.string() + ": cannot make the folder: " + error.message());
  if (!lock_) {
    lock_.emplace(path_);
    // Since this run looked, another may have begun and even ended.
    if (fs::exists(path_ / "experiment.yaml")) refuse_existing(path_);
  }
  const fs::path metrics_path = path_ / "metrics.jsonl";
  if (taken_metrics_) {
    begin_anew();
    copy_round_tensors(taken_from_, path_);
    write_file_atomically(metrics_path, *taken_metrics_);
  } else if (checkpoint_) {
    const std::uintmax_t bytes = metrics_bytes(*checkpoint_, checkpoint_path());
    if (!fs::exists(metrics_path) || fs::file_size(metrics_path) < bytes) {
      throw InputError(metrics_path.string() +
                       ": shorter than the checkpoint says; the run cannot be resumed");
    }
    fs::resize_file(metrics_path, bytes);
  } else {
    begin_anew();
  }
  write_file_atomically(path_ / "experiment.yaml", resolved_yaml(experiment));
  fs::create_directories(path_ / "checkpoint", error);
  if (error) throw InputError(path_.string() + ": cannot make the folder: " + error.message());
  metrics_.open(metrics_path, std::ios::binary | std::ios::app);
  if (!metrics_) throw InputError(metrics_path.string() + ": cannot write");
}

/// Removes what an earlier run left, in this order: a run killed here never finds a checkpoint
/// without the metrics before it.
void RunFolder::begin_anew() const {
  fs::remove(path_ / "summary.json");
  fs::remove(checkpoint_path());
  fs::remove(trained_path());
  for (const char* name : {"pipelines", "defend"}) fs::remove_all(path_ / name);
  for (const char* name : {"metrics.jsonl", "run.log", RunConvMemory::kRecordName}) {
    fs::remove(path_ / name);
  }
  // The model, the example images, and what rules left of single rounds.
  std::vector<fs::path> tensors;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (entry.path().extension() == ".safetensors") tensors.push_back(entry.path());
  }
  for (const fs::path& path : tensors) fs::remove(path);
}

void RunFolder::append(const Record& record) {
  metrics_ << to_json(record).dump() << '\n' << std::flush;
  if (!metrics_) throw InputError((path_ / "metrics.jsonl").string() + ": cannot write");
}

void RunFolder::save_checkpoint(TensorFile state) {
  // The metrics before the checkpoint that counts them, whatever happens to the power.
  flush_file(path_ / "metrics.jsonl");
  state.metadata[kMetricsBytes] = std::to_string(fs::file_size(path_ / "metrics.jsonl"));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
  state.metadata[kSeconds] = std::to_string(seconds_before() + seconds.count());
  write_safetensors(checkpoint_path(), state);
}

double RunFolder::seconds_before() const {
  if (!checkpoint_) return 0;
  const auto found = checkpoint_->metadata.find(kSeconds);
  return found == checkpoint_->metadata.end() ? 0 : std::strtod(found->second.c_str(), nullptr);
}

void RunFolder::save_examples(const TensorFile& images) {
  const fs::path path = path_ / "examples.safetensors";
  if (!images.bytes.empty() && !fs::exists(path)) write_safetensors(path, images);
}

void RunFolder::save_trained(const TensorFile& state) { write_safetensors(trained_path(), state); }

void RunFolder::save_pipeline(const std::string& name, const TensorFile& model) {
  fs::create_directories(path_ / "pipelines");
  write_safetensors(path_ / "pipelines" / (name + ".safetensors"), model);
}

void RunFolder::finish(const TensorFile& model, const Json& summary) {
  write_safetensors(path_ / "model.safetensors", model);
  write_file_atomically(path_ / "summary.json", summary.dump(2) + "\n");
}

std::vector<Json> RunFolder::metrics() const {
  std::vector<Json> lines;
  std::ifstream stream(path_ / "metrics.jsonl");
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(Json::parse(line, nullptr, false));
    if (lines.back().is_object() && lines.back().contains("stage")) continue;
    throw InputError((path_ / "metrics.jsonl").string() + ":" + std::to_string(lines.size()) +
                     ": damaged: no record of a round or a stage");
  }
  return lines;
}

}  // namespace redoubt::experiments
