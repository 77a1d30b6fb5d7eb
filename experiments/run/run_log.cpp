#include "experiments/run/run_log.h"

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/check.h"
#include "base/printable.h"

namespace redoubt::experiments {

std::shared_ptr<spdlog::logger> make_log(const std::filesystem::path& file) {
  const auto screen = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  screen->set_level(spdlog::level::warn);
  screen->set_pattern("%l: %v");
  auto log = std::make_shared<spdlog::logger>("run", screen);
  log->set_level(spdlog::level::debug);
  if (!file.empty()) {
    try {
      log->sinks().push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string()));
    } catch (const spdlog::spdlog_ex& error) {
      throw InputError(file.string() + ": cannot open the log: " + error.what());
    }
    // Said once: the run does not need what it could not write down.
    log->set_error_handler([name = file.string(), told = false](const std::string& error) mutable {
      if (!told) fmt::print(stderr, "warning: {}: {}\n", printable(name), printable(error));
      told = true;
    });
  }
  return log;
}

}  // namespace redoubt::experiments
