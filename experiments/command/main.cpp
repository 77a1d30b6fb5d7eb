// The program: its commands, and its exit codes. 0: done; 1: something failed that should not; 2:
// wrong input; 130: stopped.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "base/printable.h"
#include "experiments/command/command.h"
#include "experiments/sweep/child_run.h"

int main(int argc, char** argv) try {
  using namespace redoubt::experiments;
  stop_with_parent();
  CLI::App program{"Backdoor attacks and defenses in federated learning", "redoubt"};
  program.set_version_flag("--version", "redoubt " REDOUBT_VERSION);
  program.require_subcommand(1);
  const Command commands[] = {add_run(program),     add_sweep(program), add_defend(program),
                              add_report(program),  add_check(program), add_list(program),
                              add_evaluate(program)};
  // After the commands, which otherwise take it over.
  program.footer(
      "Examples:\n"
      "  redoubt run experiments/quickstart.yaml\n"
      "  redoubt check experiments/quickstart.yaml\n"
      "  redoubt sweep experiments/ariba/figure7a.yaml --only seed=1\n"
      "  redoubt report runs/ariba-figure7a");
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  }
  int code = 0;
  for (const Command& command : commands) {
    if (command.options->parsed()) code = command.run();
  }
  if (std::fflush(stdout) != 0) {
    throw std::system_error(errno, std::generic_category(), "standard output");
  }
  return code;
} catch (const redoubt::InputError& error) {
  fmt::print(stderr, "redoubt: {}\n", redoubt::printable(error.what()));
  return 2;
} catch (const std::filesystem::filesystem_error& error) {
  fmt::print(stderr, "redoubt: {}: {}\n", redoubt::printable(error.path1().string()),
             error.code().message());
  return 2;
} catch (const std::system_error& error) {
  fmt::print(stderr, "redoubt: {}\n", redoubt::printable(error.what()));
  return 2;
} catch (const std::bad_alloc&) {
  fmt::print(stderr, "redoubt: out of memory; fewer clients at once need less: federation.wave\n");
  return 2;
} catch (const std::exception& error) {
  fmt::print(stderr, "redoubt: internal error: {}\n", redoubt::printable(error.what()));
  return 1;
}
