// How a user stops a command that takes long: by SIGINT, SIGTERM, or the end of the terminal.
#pragma once

#include <atomic>

namespace redoubt::experiments {

/// From now on such a signal makes the result true instead of ending the program.
const std::atomic<bool>& let_signals_stop();

}  // namespace redoubt::experiments
