// What several commands ask for on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace redoubt::experiments {

/// A count that an option takes.
inline const CLI::Range kAtLeastOne(1, 1'000'000);

/// An override "key=value" whose value is this text, whatever characters it holds.
std::string text_override(const std::string& key, const std::string& text);

/// --device and --threads.
struct MachineOptions {
  std::string device;
  int threads = 0;

  void add_device_to(CLI::App& command);
  void add_threads_to(CLI::App& command);
  void add_overrides(std::vector<std::string>& overrides) const;
};

/// An experiment's file and what is set beside it.
struct FileOptions {
  std::string file;
  std::vector<std::string> set;  ///< of --set
  std::string name;
  std::string output;
  std::string conv_engine;
  MachineOptions machine;

  /// Returns the option of the file, which is required. The commands that write ask for `name` and
  /// `output` themselves.
  CLI::Option* add_to(CLI::App& command);
  /// Those of --set, then what the other options stand for.
  std::vector<std::string> overrides() const;
};

/// An experiment, which may be one point of a file's sweep.
struct ExperimentOptions : FileOptions {
  std::string point;

  CLI::Option* add_to(CLI::App& command);
  /// The point's own before the others. Throws InputError.
  std::vector<std::string> overrides_at_point() const;
};

}  // namespace redoubt::experiments
