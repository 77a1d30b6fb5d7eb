// `redoubt report`: finds a Python with what experiments/report needs and lets it write the page.
#pragma once

#include <filesystem>
#include <vector>

namespace redoubt::experiments {

struct ReportOptions {
  std::vector<std::filesystem::path> folders;  ///< of runs and sweeps
  std::filesystem::path output;                ///< empty: report/ in the first folder
};

/// Returns the Python program's exit code. Throws InputError, saying what to install, if no Python
/// has the modules: $REDOUBT_PYTHON if it is set, else /usr/bin/python3, else the first python3 on
/// the path.
int report_command(const ReportOptions& options);

}  // namespace redoubt::experiments
