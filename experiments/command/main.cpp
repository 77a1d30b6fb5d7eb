// The command line.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "experiments/command/commands.h"
#include "experiments/command/defend.h"
#include "experiments/command/report.h"
#include "experiments/file/reference.h"
#include "experiments/file/experiment_schema.h"
#include "experiments/sweep/child_run.h"
#include "experiments/sweep/sweep.h"
#include "experiments/sweep/sweep_points.h"

namespace {

std::atomic<bool> stop_requested = false;

extern "C" void request_stop(int signal) {
  stop_requested = true;
  // A second one ends the program at once, but a sweep and who stops its whole group both tell a
  // point, which then still saves.
  if (!redoubt::experiments::is_child_run()) std::signal(signal, SIG_DFL);
}

void let_signals_stop() {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  // The terminal is closed. Who began with nohup does not want to know.
  if (std::signal(SIGHUP, request_stop) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

/// As YAML's single-quoted text, so that no character means anything.
std::string quoted(const std::string& text) {
  std::string quotes = "'";
  for (const char c : text) quotes += c == '\'' ? std::string("''") : std::string(1, c);
  return quotes + "'";
}

const CLI::Range kAtLeastOne(1, 1'000'000);

/// Options that several commands share.
struct Arguments {
  std::string file;
  std::string model;
  std::string name;
  std::string point;
  std::string run;
  std::string training_of;
  std::vector<std::string> files;
  std::vector<std::string> only;
  std::vector<std::string> overrides;
  std::string output;
  std::string device;
  std::string conv_engine;
  int threads = 0;
  int jobs = 0;
  int profile_round = 0;
  bool schema = false;
  bool reference = false;
  bool resume = false;
  bool overwrite = false;
  bool quiet = false;

  /// The shorthand options, as overrides after those of --set.
  std::vector<std::string> all_overrides() const {
    std::vector<std::string> all = overrides;
    if (!name.empty()) all.push_back("name=" + quoted(name));
    if (!output.empty()) all.push_back("output.directory=" + quoted(output));
    if (!device.empty()) all.push_back("device=" + device);
    if (!conv_engine.empty()) all.push_back("conv_engine=" + conv_engine);
    if (threads > 0) all.push_back("threads=" + std::to_string(threads));
    return all;
  }
};

CLI::Option* add_file_options(CLI::App& command, Arguments& arguments) {
  CLI::Option* file =
      command.add_option("FILE", arguments.file, "experiment file (YAML)")->required();
  command.add_option("--set", arguments.overrides, "override a key, e.g. federation.rounds=5")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->expected(1);
  command.add_option("--device", arguments.device, "auto, cpu, cuda or cuda:1");
  command.add_option("--conv-engine", arguments.conv_engine,
                     "automatic, columns, implicit or cudnn (CUDA)");
  command.add_option("--threads", arguments.threads, "CPU threads")->check(kAtLeastOne);
  return file;
}

CLI::Option* add_experiment_options(CLI::App& command, Arguments& arguments) {
  CLI::Option* file = add_file_options(command, arguments);
  command.add_option("--point", arguments.point, "one point of the file's sweep, e.g. seed=1")
      ->type_name("NAME");
  return file;
}

/// What files may hold, instead of a check of one.
void add_documentation_options(CLI::App& check, CLI::Option* file, Arguments& arguments) {
  file->required(false);
  CLI::Option* schema = check.add_flag("--schema", arguments.schema,
                                       "print a JSON Schema of experiment files, for editors");
  CLI::Option* reference = check.add_flag("--reference", arguments.reference,
                                          "print the reference of all keys, as Markdown");
  schema->excludes(file)->excludes(reference);
  reference->excludes(file);
  check.callback([file, schema, reference] {
    if (file->empty() && schema->empty() && reference->empty()) throw CLI::RequiredError("FILE");
  });
}

int dispatch(const CLI::App& app, const Arguments& arguments) {
  using namespace redoubt::experiments;
  if (app.got_subcommand("list")) return list_command();
  if (app.got_subcommand("report")) {
    return report_command(
        {.folders = {arguments.files.begin(), arguments.files.end()}, .output = arguments.output});
  }
  if (arguments.schema) {
    fmt::print("{}\n", experiment_schema().dump(2));
    return 0;
  }
  if (arguments.reference) {
    fmt::print("{}", experiment_reference());
    return 0;
  }
  if (app.got_subcommand("sweep")) {
    let_signals_stop();
    return sweep_command({.file = arguments.file,
                          .overrides = arguments.all_overrides(),
                          .only = arguments.only,
                          .jobs = arguments.jobs,
                          .quiet = arguments.quiet},
                         stop_requested);
  }
  if (app.got_subcommand("defend")) {
    let_signals_stop();
    return defend_command({.run = arguments.run,
                           .files = {arguments.files.begin(), arguments.files.end()},
                           .overrides = arguments.all_overrides(),
                           .overwrite = arguments.overwrite,
                           .quiet = arguments.quiet},
                          stop_requested);
  }
  if (app.got_subcommand("check") && arguments.point.empty() &&
      !sweep_points(arguments.file).empty()) {
    return check_sweep_command(arguments.file, arguments.all_overrides());
  }
  const std::vector<std::string> overrides =
      point_overrides(arguments.file, arguments.point, arguments.all_overrides());
  if (app.got_subcommand("check")) return check_command(arguments.file, overrides);
  if (app.got_subcommand("evaluate")) {
    return evaluate_command(arguments.model, arguments.file, overrides);
  }
  let_signals_stop();
  const Existing existing = arguments.resume      ? Existing::resume
                            : arguments.overwrite ? Existing::overwrite
                                                  : Existing::refuse;
  return run_command({.file = arguments.file,
                      .overrides = overrides,
                      .existing = existing,
                      .training_of = arguments.training_of,
                      .quiet = arguments.quiet,
                      .profile_round = arguments.profile_round},
                     stop_requested);
}

}  // namespace

int main(int argc, char** argv) try {
  redoubt::experiments::stop_with_parent();
  CLI::App app{"Backdoor attacks and defenses in federated learning", "redoubt"};
  app.set_version_flag("--version", "redoubt " REDOUBT_VERSION);
  app.require_subcommand(1);
  Arguments arguments;

  CLI::App& run = *app.add_subcommand("run", "train, attack and defend as a file says");
  add_experiment_options(run, arguments);
  run.add_option("--output", arguments.output, "the run goes into DIR/<name>")->type_name("DIR");
  CLI::Option* resume = run.add_flag("--resume", arguments.resume, "go on with a stopped run");
  run.add_flag("--overwrite", arguments.overwrite, "replace a run")->excludes(resume);
  run.add_option("--training-of", arguments.training_of,
                 "a run that differs in its stages only: go on from the end of its training")
      ->type_name("RUN");
  run.add_option("--profile-round", arguments.profile_round,
                 "let a profiler record this round only (CUDA)")
      ->check(kAtLeastOne);
  run.add_option("--name", arguments.name, "instead of the file's name");
  run.add_flag("--quiet", arguments.quiet, "print the final table only");
  run.footer(
      "Example:\n"
      "  redoubt run experiments/quickstart.yaml --set federation.rounds=5 --output /tmp/runs");

  CLI::App& sweep = *app.add_subcommand("sweep", "run every point of a file's sweep side by side");
  add_file_options(sweep, arguments);
  sweep.add_option("--output", arguments.output, "points go into DIR/<name>/<point>")
      ->type_name("DIR");
  sweep
      .add_option("--only", arguments.only, "run the points at this place of an axis, e.g. seed=1")
      ->type_name("AXIS=PLACE")
      ->take_all()
      ->expected(1);
  sweep.add_option("--jobs", arguments.jobs, "points at a time; else one a CPU thread")
      ->check(kAtLeastOne);
  sweep.add_flag("--quiet", arguments.quiet, "print nothing");

  CLI::App& defend =
      *app.add_subcommand("defend", "apply stages to a finished run, without training again");
  defend.add_option("RUN", arguments.run, "a finished run's folder")->required();
  defend.add_option("FILE", arguments.files, "YAML files that hold after_training: stages")
      ->required();
  defend.add_option("--device", arguments.device, "auto, cpu, cuda or cuda:1");
  defend.add_option("--threads", arguments.threads, "CPU threads")->check(kAtLeastOne);
  defend.add_flag("--overwrite", arguments.overwrite, "replace what was there");
  defend.add_flag("--quiet", arguments.quiet, "print the tables only");

  CLI::App& report =
      *app.add_subcommand("report", "tables and figures of runs and sweeps as one HTML page");
  report.add_option("DIR", arguments.files, "folders of runs and of sweeps")->required();
  report.add_option("--output", arguments.output, "the page goes there; else into DIR/report")
      ->type_name("DIR");

  CLI::App& check = *app.add_subcommand("check", "check a file and print it fully resolved");
  add_documentation_options(check, add_experiment_options(check, arguments), arguments);

  app.add_subcommand("list", "devices, data sets, models, layers, rules and stages");

  CLI::App& evaluate =
      *app.add_subcommand("evaluate", "measure a model under an experiment's data and trigger");
  evaluate.add_option("MODEL", arguments.model, "safetensors file")->required();
  add_experiment_options(evaluate, arguments);

  // After the commands, which otherwise take it over.
  app.footer(
      "Examples:\n"
      "  redoubt run experiments/quickstart.yaml\n"
      "  redoubt check experiments/quickstart.yaml\n"
      "  redoubt sweep experiments/ariba/figure7a.yaml --only seed=1\n"
      "  redoubt report runs/ariba-figure7a");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const int code = dispatch(app, arguments);
  if (std::fflush(stdout) != 0) {
    throw std::system_error(errno, std::generic_category(), "standard output");
  }
  return code;
} catch (const redoubt::InputError& error) {
  fmt::print(stderr, "redoubt: {}\n", error.what());
  return 2;
} catch (const std::filesystem::filesystem_error& error) {
  fmt::print(stderr, "redoubt: {}: {}\n", error.path1().string(), error.code().message());
  return 2;
} catch (const std::system_error& error) {
  fmt::print(stderr, "redoubt: {}\n", error.what());
  return 2;
} catch (const std::bad_alloc&) {
  fmt::print(stderr, "redoubt: out of memory; fewer clients at once need less: federation.wave\n");
  return 2;
} catch (const std::exception& error) {
  fmt::print(stderr, "redoubt: internal error: {}\n", error.what());
  return 1;
}
