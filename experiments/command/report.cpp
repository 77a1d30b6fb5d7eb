#include "experiments/command/report.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "base/check.h"

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

}  // namespace

int report_command(const ReportOptions& options) {
  const fs::path program = report_program();
  std::vector<std::string> words = {find_python(), "-B", program.string()};
  if (!options.output.empty()) {
    words.insert(words.end(), {"--output", options.output.string()});
  }
  words.emplace_back("--");
  for (const fs::path& folder : options.folders) words.push_back(folder.string());
  return run_program(words);
}

}  // namespace redoubt::experiments
