// `redoubt defend`: pipelines of stages on a run that is over, without training again.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/atomic_file.h"
#include "base/check.h"
#include "experiments/command/command.h"
#include "experiments/command/options.h"
#include "experiments/command/stop.h"
#include "experiments/file/pipelines.h"
#include "experiments/run/console.h"
#include "experiments/run/conv_engines.h"
#include "experiments/run/folder_lock.h"
#include "experiments/run/run_folder.h"
#include "experiments/run/run_log.h"
#include "experiments/simulation/checks.h"
#include "experiments/simulation/round_kinds.h"
#include "experiments/simulation/simulation.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// Keeps each pipeline's records until it is through, then writes its folder.
class DefendObserver : public SimulationObserver {
 public:
  DefendObserver(RunFiles run, const std::vector<Pipeline>& pipelines, bool quiet)
      : run_(std::move(run)), pipelines_(pipelines), quiet_(quiet) {}

  void record(const Record& record, double /*images_per_second*/) override {
    if (record.stage == kFailed) {
      fmt::print(stderr, "redoubt: {} ended early: {}\n",
                 std::get<std::string>(*record.find("pipeline")), record.note);
      lines_.clear();
      failed_ = true;
      return;
    }
    Json line = to_json(record);
    line.erase("pipeline");
    lines_.emplace_back(std::move(line), "a record");
  }
  void pipeline_done(const std::string& name, const TensorFile& model) override {
    const DefendFiles files = run_.defend(name);
    fs::remove_all(files.folder);
    fs::create_directories(files.folder);
    std::string metrics;
    for (const RecordLine& line : lines_) metrics += line.json().dump() + "\n";
    write_file_atomically(files.metrics(), metrics);
    const auto pipeline = std::find_if(pipelines_.begin(), pipelines_.end(),
                                       [&](const Pipeline& other) { return other.name == name; });
    write_file_atomically(files.pipeline(), pipeline_yaml(*pipeline));
    write_safetensors(files.model(), model);
    const std::vector<RecordLine> stages = stage_lines(lines_);
    Json summary = {{"name", name}, {"version", REDOUBT_VERSION}, {"stages", Json::array()}};
    for (const RecordLine& stage : stages) summary["stages"].push_back(stage.json());
    write_file_atomically(files.summary(), summary.dump(2) + "\n");
    fmt::print("{}\n{}\n", name, stage_table_text(stages));
    if (!quiet_) fmt::print("written to {}\n\n", files.folder.string());
    std::fflush(stdout);
    lines_.clear();
  }

  /// Whether a pipeline ended early.
  bool failed() const { return failed_; }

 private:
  RunFiles run_;
  const std::vector<Pipeline>& pipelines_;
  bool quiet_;
  bool failed_ = false;
  std::vector<RecordLine> lines_;
};

struct Options {
  std::string run;                 ///< a finished run's folder
  std::vector<std::string> files;  ///< each holds `after_training`, a list or a map
  MachineOptions machine;
  bool overwrite = false;
  bool quiet = false;
};

/// Every file's pipelines, each name once and none of those of the run itself.
std::vector<Pipeline> all_pipelines(const Options& options, const RunFiles& run,
                                    const std::vector<Pipeline>& of_the_run) {
  std::vector<Pipeline> pipelines;
  std::set<std::string> names;
  for (const Pipeline& pipeline : of_the_run) names.insert(pipeline.name);
  for (const std::string& file : options.files) {
    for (Pipeline& pipeline : read_pipelines(file)) {
      if (!names.insert(pipeline.name).second) {
        throw InputError(file + ": a pipeline " + pipeline.name + " is there already");
      }
      const fs::path folder = run.defend(pipeline.name).folder;
      if (!options.overwrite && fs::exists(folder)) {
        throw InputError(folder.string() + ": already there; --overwrite replaces it");
      }
      pipelines.push_back(std::move(pipeline));
    }
  }
  return pipelines;
}

/// Throws InputError unless the run is finished and its training was kept.
void require_finished(const RunFiles& run) {
  if (!fs::exists(run.summary())) {
    throw InputError(run.folder.string() +
                     ": the run is not finished; redoubt run --resume ends it");
  }
  if (!fs::exists(run.trained())) {
    throw InputError(run.trained().string() +
                     ": is not there; redoubt run --overwrite trains the model again");
  }
}

/// The run's experiment with these pipelines instead of its own.
Experiment defended(const Options& options, const RunFiles& run) {
  std::vector<std::string> overrides;
  options.machine.add_overrides(overrides);
  Experiment experiment = read_experiment(run.experiment(), overrides);
  experiment.defense.pipelines = all_pipelines(options, run, experiment.defense.pipelines);
  try {
    check_experiment(experiment);
  } catch (const InputError& error) {
    throw InputError(run.experiment().string() + " under these pipelines: " + error.what());
  }
  return experiment;
}

/// Applies every pipeline to the run's trained model, with its data, clients and attack as stored,
/// and leaves a folder of each (DefendFiles). A list is named after its file, a map's pipelines by
/// their keys. The results are those that the run itself would have had.
///
/// Returns 130 if `stop` ended it early; pipelines that were through stay.
int defend(const Options& options, const std::atomic<bool>& stop) {
  const RunFiles run = {options.run};
  if (!fs::exists(run.experiment())) throw InputError(run.folder.string() + ": holds no run");
  const FolderLock lock(run.folder);
  require_finished(run);
  Experiment experiment = defended(options, run);
  // The run's own engines, so that its stages would have had the same bits.
  ConvEngines engines(experiment, run.conv_engines());
  engines.attach(run.conv_engines(), make_log({}));
  Simulation simulation(experiment);
  simulation.start_from(read_safetensors(run.trained()), run.trained().string());
  DefendObserver observer(run, experiment.defense.pipelines, options.quiet);
  if (!simulation.run(observer, stop)) return 130;
  return observer.failed() ? 2 : 0;
}

}  // namespace

Command add_defend(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command =
      *program.add_subcommand("defend", "apply stages to a finished run, without training again");
  command.add_option("RUN", options->run, "a finished run's folder")->required();
  command.add_option("FILE", options->files, "YAML files that hold after_training: stages")
      ->required();
  options->machine.add_device_to(command);
  options->machine.add_threads_to(command);
  command.add_flag("--overwrite", options->overwrite, "replace what was there");
  command.add_flag("--quiet", options->quiet, "print the tables only");
  return {&command, [options] { return defend(*options, let_signals_stop()); }};
}

}  // namespace redoubt::experiments
