// The program's commands, each in a file of its own: its options, and what it does.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace redoubt::experiments {

struct Command {
  const CLI::App* options = nullptr;
  /// Once the options are read. Returns the exit code; wrong input is thrown as InputError.
  std::function<int()> run;
};

/// Each adds its command to the program's command line, which must outlive it.
Command add_run(CLI::App& program);
Command add_sweep(CLI::App& program);
Command add_defend(CLI::App& program);
Command add_report(CLI::App& program);
Command add_check(CLI::App& program);
Command add_list(CLI::App& program);
Command add_evaluate(CLI::App& program);

}  // namespace redoubt::experiments
