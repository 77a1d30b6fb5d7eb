#include "experiments/command/stop.h"

#include <csignal>

#include "experiments/sweep/child_run.h"

namespace redoubt::experiments {

namespace {

std::atomic<bool> stop_requested = false;

extern "C" void request_stop(int signal) {
  stop_requested = true;
  // A second one ends the program at once, but a sweep and who stops its whole group both tell a
  // point, which then still saves.
  if (!is_child_run()) std::signal(signal, SIG_DFL);
}

}  // namespace

const std::atomic<bool>& let_signals_stop() {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  // The terminal is closed. Who began with nohup does not want to know.
  if (std::signal(SIGHUP, request_stop) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  return stop_requested;
}

}  // namespace redoubt::experiments
