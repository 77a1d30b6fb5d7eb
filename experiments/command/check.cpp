// `redoubt check`: a file fully resolved, the names of a sweep's points, or what files may hold.
#include <fmt/format.h>

#include <memory>

#include "experiments/command/command.h"
#include "experiments/command/options.h"
#include "experiments/file/experiment_file.h"
#include "experiments/file/experiment_schema.h"
#include "experiments/file/reference.h"
#include "experiments/file/sweep_points.h"
#include "experiments/simulation/experiment_data.h"
#include "experiments/simulation/warnings.h"
#include "experiments/sweep/sweep.h"

namespace redoubt::experiments {

namespace {

struct Options {
  ExperimentOptions experiment;
  bool schema = false;
  bool reference = false;
};

/// What only the images can tell, if they are here: how many there are, what they are normalised
/// by, what a trigger changes of them, what will be warned of.
void check_with_images(Experiment& experiment, const std::string& file,
                       const std::vector<std::string>& overrides) {
  std::optional<Dataset> dataset;
  try {
    dataset = load_dataset(experiment.data.dataset, experiment.seed);
  } catch (const InputError& error) {
    fmt::print(stderr, "redoubt: checked without the images: {}\n", error.what());
    return;
  }
  try {
    const ExperimentData data = load_data(experiment, std::move(dataset));
    experiment.data.normalized_by = data.normalization;
    for (const std::string& text : warnings_of(experiment, data)) {
      fmt::print(stderr, "warning: {}\n", text);
    }
  } catch (const InputError& error) {
    fail_in(file, overrides, error);
  }
}

int check(const Options& options) {
  const ExperimentOptions& experiment = options.experiment;
  if (options.schema) {
    fmt::print("{}\n", experiment_schema().dump(2));
  } else if (options.reference) {
    fmt::print("{}", experiment_reference());
  } else if (experiment.point.empty() && !sweep_points(experiment.file).empty()) {
    return check_sweep_command(experiment.file, experiment.overrides());
  } else {
    const std::vector<std::string> overrides = experiment.overrides_at_point();
    Experiment resolved = read_experiment(experiment.file, overrides);
    check_with_images(resolved, experiment.file, overrides);
    fmt::print("{}", resolved_yaml(resolved));
  }
  return 0;
}

}  // namespace

Command add_check(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("check", "check a file and print it fully resolved");
  CLI::Option* file = options->experiment.add_to(command)->required(false);
  CLI::Option* schema = command.add_flag("--schema", options->schema,
                                         "print a JSON Schema of experiment files, for editors");
  CLI::Option* reference = command.add_flag("--reference", options->reference,
                                            "print the reference of all keys, as Markdown");
  schema->excludes(file)->excludes(reference);
  reference->excludes(file);
  command.callback([file, schema, reference] {
    if (file->empty() && schema->empty() && reference->empty()) throw CLI::RequiredError("FILE");
  });
  return {&command, [options] { return check(*options); }};
}

}  // namespace redoubt::experiments
