// `redoubt sweep`: every point of a file's sweep, side by side.
#include "experiments/sweep/sweep.h"

#include <memory>

#include "experiments/command/command.h"
#include "experiments/command/options.h"
#include "experiments/command/stop.h"

namespace redoubt::experiments {

namespace {

struct Options {
  FileOptions file;
  std::vector<std::string> only;
  int jobs = 0;
  bool quiet = false;
};

}  // namespace

Command add_sweep(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command =
      *program.add_subcommand("sweep", "run every point of a file's sweep side by side");
  options->file.add_to(command);
  command.add_option("--output", options->file.output, "points go into DIR/<name>/<point>")
      ->type_name("DIR");
  command
      .add_option("--only", options->only, "run the points at this place of an axis, e.g. seed=1")
      ->type_name("AXIS=PLACE")
      ->take_all()
      ->expected(1);
  command.add_option("--jobs", options->jobs, "points at a time; else one a CPU thread")
      ->check(kAtLeastOne);
  command.add_flag("--quiet", options->quiet, "print nothing");
  return {&command, [options] {
            return sweep_command({.file = options->file.file,
                                  .overrides = options->file.overrides(),
                                  .only = options->only,
                                  .jobs = options->jobs,
                                  .quiet = options->quiet},
                                 let_signals_stop());
          }};
}

}  // namespace redoubt::experiments
