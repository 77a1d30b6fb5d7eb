#include "experiments/command/defend.h"

#include <fmt/format.h>

#include <memory>
#include <set>

#include "base/atomic_file.h"
#include "base/check.h"
#include "experiments/file/defense_keys.h"
#include "experiments/run/console.h"
#include "experiments/run/conv_engines.h"
#include "experiments/run/folder_lock.h"
#include "experiments/run/run_folder.h"
#include "experiments/run/run_log.h"
#include "experiments/simulation/checks.h"
#include "experiments/simulation/simulation.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// The pipelines of one file.
std::vector<Pipeline> read_pipelines(const fs::path& file) {
  const SpecSource source = {.name = file.string(), .overrides = {}};
  Reader reader({load_experiment_file(file), "", source});
  std::vector<Pipeline> pipelines;
  reader.field("after_training", pipelines, "");
  reader.finish();
  if (pipelines.empty()) {
    throw InputError(file.string() +
                     ": holds no after_training, a list of stages or a map of named "
                     "lists");
  }
  if (pipelines.front().name.empty()) pipelines.front().name = file.stem().string();
  return pipelines;
}

std::string pipeline_yaml(const Pipeline& pipeline) {
  YAML::Emitter emitter;
  emitter.SetNullFormat(YAML::LowerNull);
  emitter << YAML::BeginMap << YAML::Key << "after_training" << YAML::Value;
  Writer(emitter).write(pipeline.stages);
  emitter << YAML::EndMap;
  return std::string(emitter.c_str()) + "\n";
}

/// Keeps each pipeline's records until it is through, then writes its folder.
class DefendObserver : public SimulationObserver {
 public:
  DefendObserver(const fs::path& folder, const std::vector<Pipeline>& pipelines, bool quiet)
      : folder_(folder), pipelines_(pipelines), console_(true, 0, 0), quiet_(quiet) {}

  void record(const Record& record, double /*images_per_second*/) override {
    Json line = to_json(record);
    line.erase("pipeline");
    lines_.push_back(std::move(line));
  }
  void checkpoint(TensorFile /*state*/) override {}
  void pipeline_done(const std::string& name, const TensorFile& model) override {
    const fs::path folder = folder_ / name;
    fs::remove_all(folder);
    fs::create_directories(folder);
    std::string metrics;
    for (const Json& line : lines_) metrics += line.dump() + "\n";
    write_file_atomically(folder / "metrics.jsonl", metrics);
    for (const Pipeline& pipeline : pipelines_) {
      if (pipeline.name == name) {
        write_file_atomically(folder / "pipeline.yaml", pipeline_yaml(pipeline));
      }
    }
    write_safetensors(folder / "model.safetensors", model);
    const std::vector<Json> stages = stage_lines(lines_);
    const Json summary = {{"name", name}, {"version", REDOUBT_VERSION}, {"stages", stages}};
    write_file_atomically(folder / "summary.json", summary.dump(2) + "\n");
    fmt::print("{}\n{}\n", name, stage_table_text(stages));
    if (!quiet_) fmt::print("written to {}\n\n", folder.string());
    std::fflush(stdout);
    lines_.clear();
  }

 private:
  fs::path folder_;
  const std::vector<Pipeline>& pipelines_;
  Console console_;
  bool quiet_;
  std::vector<Json> lines_;
};

/// Every file's pipelines, each name once and none of those of the run itself.
std::vector<Pipeline> all_pipelines(const DefendOptions& options, const fs::path& folder,
                                    const std::vector<Pipeline>& of_the_run) {
  std::vector<Pipeline> pipelines;
  std::set<std::string> names;
  for (const Pipeline& pipeline : of_the_run) names.insert(pipeline.name);
  for (const fs::path& file : options.files) {
    for (Pipeline& pipeline : read_pipelines(file)) {
      if (!names.insert(pipeline.name).second) {
        throw InputError(file.string() + ": a pipeline " + pipeline.name + " is there already");
      }
      if (!options.overwrite && fs::exists(folder / pipeline.name)) {
        throw InputError((folder / pipeline.name).string() +
                         ": already there; --overwrite replaces it");
      }
      pipelines.push_back(std::move(pipeline));
    }
  }
  return pipelines;
}

}  // namespace

int defend_command(const DefendOptions& options, const std::atomic<bool>& stop) {
  const fs::path stored = options.run / "experiment.yaml";
  if (!fs::exists(stored)) throw InputError(options.run.string() + ": holds no run");
  const FolderLock lock(options.run);
  const fs::path trained = options.run / "checkpoint" / "trained.safetensors";
  if (fs::exists(options.run / "summary.json") && !fs::exists(trained)) {
    throw InputError(trained.string() +
                     ": is not there; redoubt run --overwrite trains the model again");
  }
  if (!fs::exists(options.run / "summary.json")) {
    throw InputError(options.run.string() +
                     ": the run is not finished; redoubt run --resume ends it");
  }
  const fs::path folder = options.run / "defend";
  Experiment experiment = read_experiment(stored, options.overrides);
  const std::vector<Pipeline> pipelines =
      all_pipelines(options, folder, experiment.defense.pipelines);
  experiment.defense.pipelines = pipelines;
  try {
    check_experiment(experiment);
  } catch (const InputError& error) {
    throw InputError(stored.string() + " under these pipelines: " + error.what());
  }
  // The run's own engines, so that its stages would have had the same bits.
  const fs::path engine_record = options.run / RunConvMemory::kRecordName;
  ConvEngines engines(experiment, engine_record);
  engines.attach(engine_record, make_log({}));
  DefendObserver observer(folder, pipelines, options.quiet);
  Simulation simulation(experiment, observer, stop);
  TensorFile state = read_safetensors(trained);
  state.metadata["pipelines_done"] = "0";
  simulation.restore(state, trained.string());
  return simulation.run() ? 0 : 130;
}

}  // namespace redoubt::experiments
