#include "experiments/sweep/child_run.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace redoubt::experiments {

namespace {

/// Tells a child which process started it.
constexpr const char* kParent = "REDOUBT_PARENT";

bool is_child = false;

}  // namespace

ChildRun::ChildRun(const std::vector<std::string>& arguments,
                   const std::filesystem::path& printed) {
  std::vector<std::string> words = {"redoubt"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, printed.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  setenv(kParent, std::to_string(getpid()).c_str(), 1);
  const int error =
      posix_spawn(&process_, "/proc/self/exe", &files, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    throw std::runtime_error("cannot start a run: " +
                             std::error_code(error, std::generic_category()).message());
  }
}

void stop_with_parent() {
  const char* parent = getenv(kParent);
  if (parent == nullptr) return;
  is_child = true;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // It may have ended before it was asked about.
  if (std::to_string(getppid()) != parent) raise(SIGTERM);
}

bool is_child_run() { return is_child; }

ChildRun::~ChildRun() {
  if (ended_) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

bool ChildRun::ended() {
  int status = 0;
  if (ended_ || waitpid(process_, &status, WNOHANG) != process_) return ended_;
  ended_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

double ChildRun::peak_megabytes() const {
  std::ifstream status("/proc/" + std::to_string(process_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

void ChildRun::stop() {
  if (!ended_) kill(process_, SIGTERM);
}

}  // namespace redoubt::experiments
