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
#include "experiments/simulation/metadata.h"
#include "experiments/simulation/simulation.h"

namespace redoubt::experiments {

namespace {

struct Options {
  ExperimentOptions experiment;
  std::string model;
};

/// A model is measured on images as it was trained on, whatever the file says of them.
void warn_of_another(const Options& options, const NormalizationSettings& of_file,
                     const Normalization& own, const Dataset& dataset) {
  const Normalization other = normalization(of_file, dataset);
  if (other == own) return;
  fmt::print(
      stderr,
      "redoubt: {} was trained on images normalised by {}, and {} says {}; the model's own is "
      "taken\n",
      options.model, to_string(own), options.experiment.file, to_string(other));
}

int evaluate(const Options& options) {
  const std::filesystem::path file = options.experiment.file;
  Experiment experiment = read_experiment(file, options.experiment.overrides_at_point());
  experiment.model.initial = options.model;
  const NormalizationSettings of_file = experiment.data.normalize;
  const auto own = normalization_of(read_safetensors(options.model), options.model);
  if (own) {
    experiment.data.normalize = {.kind = NormalizationSettings::Kind::given, .given = *own};
    experiment.data.normalized_by.reset();
  }
  ConvEngines engines(experiment, RunFiles{file.parent_path()}.conv_engines());
  engines.attach({}, make_log({}));
  Record record;
  Simulation simulation(experiment);
  if (own) warn_of_another(options, of_file, *own, simulation.data().dataset);
  add_test_result(record, simulation.test());
  simulation.add_collapse(record);
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
