// `redoubt run`, to be called from a program.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "experiments/run/run_folder.h"

namespace redoubt::experiments {

struct RunOptions {
  std::filesystem::path file;
  std::vector<std::string> overrides;
  Existing existing = Existing::refuse;
  /// A run that differs in its stages only, whose training stands for this one's; empty: none.
  std::filesystem::path training_of = {};
  bool quiet = false;
  int profile_round = 0;  ///< 0: none
};

/// 0, or 130 if `stop` ended the run early. Throws InputError.
int run_command(const RunOptions& options, const std::atomic<bool>& stop);

}  // namespace redoubt::experiments
