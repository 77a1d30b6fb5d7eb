#include "experiments/run/run_log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace redoubt::experiments {

std::shared_ptr<spdlog::logger> make_log(const std::filesystem::path& file) {
  const auto screen = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  screen->set_level(spdlog::level::warn);
  screen->set_pattern("%l: %v");
  auto log = std::make_shared<spdlog::logger>("run", screen);
  log->set_level(spdlog::level::debug);
  if (!file.empty()) {
    log->sinks().push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string()));
  }
  return log;
}

}  // namespace redoubt::experiments
