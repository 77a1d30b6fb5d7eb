// `redoubt report`: finds a Python with what experiments/report needs and lets it write the page.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "base/check.h"
#include "experiments/command/command.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;

namespace {

/// Exit code 3 if a module is missing; nothing is imported, for that would take a second.
constexpr const char* kLookForModules =
    "import importlib.util, sys\n"
    "names = ('numpy', 'pandas', 'matplotlib', 'yaml')\n"
    "sys.exit(3 if any(importlib.util.find_spec(name) is None for name in names) else 0)";

/// The program's exit code, 127 if there is none of that name; the first word is found on the path.
int run_program(const std::vector<std::string>& words) {
  std::vector<std::string> copies = words;
  std::vector<char*> pointers;
  for (std::string& word : copies) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t process = 0;
  const int error =
      posix_spawnp(&process, pointers.front(), nullptr, nullptr, pointers.data(), environ);
  if (error != 0) return 127;
  int status = 0;
  while (waitpid(process, &status, 0) == -1) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waitpid");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// $REDOUBT_PYTHON if it is set, else /usr/bin/python3, else the first python3 on the path.
std::string find_python() {
  std::vector<std::string> candidates = {"/usr/bin/python3", "python3"};
  const char* chosen = std::getenv("REDOUBT_PYTHON");
  if (chosen != nullptr && *chosen != '\0') candidates = {chosen};
  for (const std::string& candidate : candidates) {
    if (run_program({candidate, "-c", kLookForModules}) == 0) return candidate;
  }
  throw InputError(
      "report: " + (candidates.size() == 1 ? candidates.front() + " lacks" : "no python3 has") +
      " the modules numpy, pandas, matplotlib and yaml; install them with: sudo "
      "apt-get install python3-matplotlib python3-pandas python3-yaml");
}

/// The Python files: of an installation, else of the source tree that the program was built from.
fs::path report_program() {
  const fs::path installed =
      fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "share/redoubt/report";
  for (const fs::path& folder : {installed, fs::path(REDOUBT_REPORT_FOLDER)}) {
    if (fs::exists(folder / "__main__.py")) return folder;
  }
  throw InputError("report: its Python files are neither in " + installed.string() + " nor in " +
                   REDOUBT_REPORT_FOLDER);
}

struct Options {
  std::vector<std::string> folders;  ///< of runs and sweeps
  std::string output;                ///< empty: report/ in the first folder
};

/// The Python program's exit code.
int report(const Options& options) {
  const fs::path program = report_program();
  std::vector<std::string> words = {find_python(), "-B", program.string()};
  if (!options.output.empty()) words.insert(words.end(), {"--output", options.output});
  words.emplace_back("--");
  words.insert(words.end(), options.folders.begin(), options.folders.end());
  return run_program(words);
}

}  // namespace

Command add_report(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command =
      *program.add_subcommand("report", "tables and figures of runs and sweeps as one HTML page");
  command.add_option("DIR", options->folders, "folders of runs and of sweeps")->required();
  command.add_option("--output", options->output, "the page goes there; else into DIR/report")
      ->type_name("DIR");
  return {&command, [options] { return report(*options); }};
}

}  // namespace redoubt::experiments
