#include "experiments/run/conv_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/check.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// Keeps other processes from a file as long as it lives.
class FileLock {
 public:
  explicit FileLock(const fs::path& path)
      : descriptor_(::open((path.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX) == 0) return;
    const int error = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    throw InputError(path.string() + ": cannot lock: " + std::strerror(error));
  }
  ~FileLock() { ::close(descriptor_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

void make_folder_of(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    throw InputError(path.parent_path().string() + ": cannot make the folder: " + error.message());
  }
}

std::optional<ConvEngine> find(const ConvChoiceTable& table, const std::string& machine,
                               const std::string& task) {
  const auto tasks = table.find(machine);
  if (tasks == table.end()) return {};
  const auto engine = tasks->second.find(task);
  return engine == tasks->second.end() ? std::nullopt : std::optional(engine->second);
}

/// "implicit 0.012 ms, columns 0.034 ms, cudnn cannot"
std::string timings_text(std::span<const kernels::ConvTiming> timings) {
  std::vector<std::string> texts;
  for (const kernels::ConvTiming& timing : timings) {
    const char* name = kernels::to_string(timing.engine);
    texts.push_back(timing.milliseconds ? fmt::format("{} {:.4f} ms", name, *timing.milliseconds)
                                        : fmt::format("{} cannot", name));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

ConvChoiceTable read_conv_choices(const fs::path& path) {
  std::ifstream stream(path);
  if (!stream) {
    if (!fs::exists(path)) return {};
    throw InputError(path.string() + ": cannot read");
  }
  const auto damaged = [&](const std::string& what) {
    throw InputError(path.string() + ": damaged: " + what +
                     "; it holds choices of convolution engines: {\"<machine>\": {\"<task>\": "
                     "\"<engine>\"}}");
  };
  const Json json = Json::parse(stream, nullptr, false);
  if (!json.is_object()) damaged("no JSON object");
  ConvChoiceTable table;
  for (const auto& [machine, tasks] : json.items()) {
    if (!tasks.is_object()) damaged("\"" + machine + "\" has no tasks");
    for (const auto& [task, name] : tasks.items()) {
      const auto engine = name.is_string()
                              ? kernels::engine_named(name.get_ref<const std::string&>())
                              : std::nullopt;
      if (!engine) damaged("the engine of \"" + task + "\" is " + name.dump());
      table[machine][task] = *engine;
    }
  }
  return table;
}

void write_conv_choices(const fs::path& path, const ConvChoiceTable& table) {
  Json json = Json::object();
  for (const auto& [machine, tasks] : table) {
    for (const auto& [task, engine] : tasks) json[machine][task] = kernels::to_string(engine);
  }
  make_folder_of(path);
  write_file_atomically(path, json.dump(2) + "\n");
}

fs::path conv_cache_path() {
  constexpr const char* kName = "redoubt/conv-engines.json";
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && fs::path(cache).is_absolute()) return fs::path(cache) / kName;
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? fs::path() : fs::path(home) / ".cache" / kName;
}

std::string conv_machine(Device device) {
  return fingerprint(device) + ", redoubt " + REDOUBT_VERSION;
}

RunConvMemory::RunConvMemory(std::string machine, fs::path cache)
    : machine_(std::move(machine)), cache_path_(std::move(cache)) {}

void RunConvMemory::reuse(const fs::path& record) { record_ = read_conv_choices(record); }

void RunConvMemory::record_in(const fs::path& record) {
  record_path_ = record;
  if (!record_.empty() && !record_path_.empty()) write_conv_choices(record_path_, record_);
}

void RunConvMemory::log_to(std::shared_ptr<spdlog::logger> log) {
  log_ = std::move(log);
  for (auto& [level, text] : std::exchange(untold_, {})) tell(level, std::move(text));
}

void RunConvMemory::tell(spdlog::level::level_enum level, std::string text) {
  if (log_) {
    log_->log(level, text);
  } else {
    untold_.emplace_back(level, std::move(text));
  }
}

/// The cache as it is now; nothing if it is damaged.
ConvChoiceTable RunConvMemory::read_cache() {
  try {
    return read_conv_choices(cache_path_);
  } catch (const InputError& error) {
    if (!cache_) tell(spdlog::level::warn, fmt::format("{}; it is not used", error.what()));
    return {};
  }
}

std::optional<ConvEngine> RunConvMemory::recall(const std::string& task) {
  if (const auto engine = find(record_, machine_, task)) {
    use(task, *engine, "as the run before");
    return engine;
  }
  if (!cache_) cache_ = cache_path_.empty() ? ConvChoiceTable() : read_cache();
  const auto engine = find(*cache_, machine_, task);
  if (engine) use(task, *engine, "as measured before");
  return engine;
}

ConvEngine RunConvMemory::settle(const std::string& task,
                                 std::span<const kernels::ConvTiming> timings, ConvEngine fastest) {
  const ConvEngine engine = settle_in_cache(task, fastest);
  use(task, engine, timings_text(timings));
  return engine;
}

ConvEngine RunConvMemory::settle_in_cache(const std::string& task, ConvEngine fastest) {
  if (cache_path_.empty()) return fastest;
  try {
    make_folder_of(cache_path_);
    const FileLock lock(cache_path_);
    ConvChoiceTable table = read_cache();
    if (const auto engine = find(table, machine_, task)) return *engine;
    table[machine_][task] = fastest;
    write_conv_choices(cache_path_, table);
  } catch (const InputError& error) {
    tell(
        spdlog::level::warn,
        fmt::format("{}; choices of convolution engines are kept for this run only", error.what()));
    cache_path_.clear();
  }
  return fastest;
}

/// Written before the engine computes anything that a checkpoint could hold.
void RunConvMemory::use(const std::string& task, ConvEngine engine, const std::string& reason) {
  tell(spdlog::level::debug,
       fmt::format("convolution engine of {}: {} ({})", task, kernels::to_string(engine), reason));
  ConvEngine& known = record_[machine_][task];
  if (std::exchange(known, engine) == engine) return;
  if (!record_path_.empty()) write_conv_choices(record_path_, record_);
}

}  // namespace redoubt::experiments
