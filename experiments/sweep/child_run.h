// One run in a process of its own: whatever goes wrong there, the others go on.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace redoubt::experiments {

class ChildRun {
 public:
  /// Starts this program with other arguments; what it prints goes into the file. It stops when
  /// this process ends. Throws std::runtime_error.
  ChildRun(const std::vector<std::string>& arguments, const std::filesystem::path& printed);
  /// Kills a child that still runs.
  ~ChildRun();
  ChildRun(const ChildRun&) = delete;
  ChildRun& operator=(const ChildRun&) = delete;

  /// Whether it has ended. Does not wait.
  bool ended();
  /// Of a child that has ended: its exit code, or 128 + the signal that ended it.
  int exit_code() const { return exit_code_; }
  /// The most memory it has used so far; 0 if that cannot be told.
  double peak_megabytes() const;
  /// Asks it to save and stop.
  void stop();

 private:
  pid_t process_ = 0;
  bool ended_ = false;
  int exit_code_ = 0;
};

/// Asks to be stopped with the process that started this one as a ChildRun, if one did. Call first
/// in main().
void stop_with_parent();
/// Whether stop_with_parent() found that one did.
bool is_child_run();

}  // namespace redoubt::experiments
