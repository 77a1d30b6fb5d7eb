// `redoubt evaluate`: a model measured under an experiment's data and trigger.
#include <fmt/format.h>

#include <memory>

#include "experiments/command/command.h"
#include "experiments/command/options.h"
#include "experiments/file/experiment_file.h"
#include "experiments/run/conv_engines.h"
#include "experiments/run/record_line.h"
#include "experiments/run/run_files.h"
#include "experiments/run/run_log.h"
#include "experiments/simulation/simulation.h"

namespace redoubt::experiments {

namespace {

struct Options {
  ExperimentOptions experiment;
  std::string model;
};

int evaluate(const Options& options) {
  const std::filesystem::path file = options.experiment.file;
  Experiment experiment = read_experiment(file, options.experiment.overrides_at_point());
  experiment.model.initial = options.model;
  ConvEngines engines(experiment, RunFiles{file.parent_path()}.conv_engines());
  engines.attach({}, make_log({}));
  Record record;
  add_test_result(record, Simulation(experiment).test());
  nlohmann::ordered_json figures = to_json(record);
  figures.erase("stage");
  fmt::print("{}\n", figures.dump());
  return 0;
}

}  // namespace

Command add_evaluate(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command =
      *program.add_subcommand("evaluate", "measure a model under an experiment's data and trigger");
  command.add_option("MODEL", options->model, "safetensors file")->required();
  options->experiment.add_to(command);
  return {&command, [options] { return evaluate(*options); }};
}

}  // namespace redoubt::experiments
