// Choices of convolution engines (kernels/conv/choices.h) that outlive a process, so that timing
// noise never changes a run's bits. They lie in two places, both of them files of one JSON object
//   {"<machine>": {"<task>": "<engine>", ...}, ...}
// where a machine is its GPU with the versions of driver, libraries and redoubt:
//   - the user's cache, $XDG_CACHE_HOME/redoubt/conv-engines.json: a shape is measured once, and of
//     two processes that measure it at the same time the first to write decides for both;
//   - conv_engines.json in the run's folder: what the run uses, written before it is used. It comes
//     before the cache when the run is resumed, and when an experiment file is run that lies beside
//     one, as the resolved experiment of a run does.
#pragma once

#include <spdlog/common.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/conv/choices.h"

namespace spdlog {
class logger;
}

namespace redoubt::experiments {

/// Engines by machine and task.
using ConvChoiceTable = std::map<std::string, std::map<std::string, ConvEngine>>;

/// A file that is not there holds nothing. Throws InputError naming a file that is damaged.
ConvChoiceTable read_conv_choices(const std::filesystem::path& path);
/// Makes the folder if need be. Throws InputError.
void write_conv_choices(const std::filesystem::path& path, const ConvChoiceTable& table);

/// The user's cache; empty if the environment names no place for one.
std::filesystem::path conv_cache_path();
/// How files name a device's machine.
std::string conv_machine(Device device);

class RunConvMemory : public kernels::ConvMemory {
 public:
  /// An empty `cache`: none. A cache that is damaged or cannot be written is told once and passed
  /// over; the next choice replaces a damaged one.
  RunConvMemory(std::string machine, std::filesystem::path cache);

  /// Takes up what an earlier run used, if the file is there. Throws InputError if it is damaged.
  void reuse(const std::filesystem::path& record);
  /// From now on the file names every choice used, those before included. Without a choice there is
  /// no file.
  void record_in(const std::filesystem::path& record);
  /// Choices go there as "debug", troubles as "warning"; those before, too.
  void log_to(std::shared_ptr<spdlog::logger> log);

  std::optional<ConvEngine> recall(const std::string& task) override;
  ConvEngine settle(const std::string& task, std::span<const kernels::ConvTiming> timings,
                    ConvEngine fastest) override;

 private:
  ConvChoiceTable read_cache();
  ConvEngine settle_in_cache(const std::string& task, ConvEngine fastest);
  void use(const std::string& task, ConvEngine engine, const std::string& reason);
  void tell(spdlog::level::level_enum level, std::string text);

  std::string machine_;
  std::filesystem::path cache_path_;
  std::optional<ConvChoiceTable> cache_;  ///< as it was when first asked
  std::filesystem::path record_path_;
  ConvChoiceTable record_;
  std::shared_ptr<spdlog::logger> log_;
  std::vector<std::pair<spdlog::level::level_enum, std::string>> untold_;
};

}  // namespace redoubt::experiments
