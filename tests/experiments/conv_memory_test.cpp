// Choices of convolution engines between processes: the user's cache and the run's record.
#include "experiments/run/conv_memory.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "base/check.h"
#include "tests/support/temporary_folder.h"

namespace redoubt::experiments {

namespace {

namespace fs = std::filesystem;
using kernels::ConvTiming;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

constexpr const char* kTask = "forward 10 x 1x28x28x64 to 20 by 5x5/1+0 tf32";
constexpr const char* kMachine = "GPU A, redoubt 1";

const std::vector<ConvTiming> kTimings = {
    {ConvEngine::implicit, 0.5}, {ConvEngine::columns, 0.25}, {ConvEngine::cudnn, {}}};

/// A process with a log that the test reads.
struct Process {
  explicit Process(const fs::path& cache, const std::string& machine = kMachine)
      : memory(machine, cache) {
    log->set_level(spdlog::level::debug);
    memory.log_to(log);
  }
  ConvEngine settle(const std::string& task, ConvEngine fastest) {
    return memory.settle(task, kTimings, fastest);
  }
  std::ostringstream text;
  std::shared_ptr<spdlog::logger> log = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
  RunConvMemory memory;
};

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

class ConvMemoryTest : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  fs::path cache_ = folder_.path() / "not" / "yet" / "conv-engines.json";
  fs::path record_ = folder_.path() / "conv_engines.json";
};

TEST_F(ConvMemoryTest, AChoiceIsRecalledByTheNextProcessOnTheSameMachine) {
  Process first(cache_);
  EXPECT_EQ(first.memory.recall(kTask), std::nullopt);
  EXPECT_EQ(first.settle(kTask, ConvEngine::columns), ConvEngine::columns);
  Process second(cache_);
  EXPECT_EQ(second.memory.recall(kTask), ConvEngine::columns);
  EXPECT_EQ(second.memory.recall("another task"), std::nullopt);
  Process elsewhere(cache_, "GPU B, redoubt 1");
  EXPECT_EQ(elsewhere.memory.recall(kTask), std::nullopt);
}

TEST_F(ConvMemoryTest, EachChoiceIsLoggedWithItsTimings) {
  Process process(cache_);
  process.settle(kTask, ConvEngine::columns);
  EXPECT_THAT(process.text.str(),
              AllOf(HasSubstr("[debug]"), HasSubstr(kTask), HasSubstr(": columns ("),
                    HasSubstr("implicit 0.5000 ms, columns 0.2500 ms, cudnn cannot")));
}

TEST_F(ConvMemoryTest, WhatHappensBeforeThereIsALogIsLoggedLater) {
  RunConvMemory memory(kMachine, cache_);
  memory.settle(kTask, kTimings, ConvEngine::columns);
  Process process(cache_);
  memory.log_to(process.log);
  EXPECT_EQ(count(process.text.str(), kTask), 1);
}

TEST_F(ConvMemoryTest, OfTwoProcessesThatMeasureTheFirstToSettleDecides) {
  Process first(cache_);
  Process second(cache_);
  EXPECT_EQ(first.memory.recall(kTask), std::nullopt);
  EXPECT_EQ(second.memory.recall(kTask), std::nullopt);
  EXPECT_EQ(first.settle(kTask, ConvEngine::implicit), ConvEngine::implicit);
  EXPECT_EQ(second.settle(kTask, ConvEngine::columns), ConvEngine::implicit);
  second.settle("another task", ConvEngine::columns);
  const ConvChoiceTable table = read_conv_choices(cache_);
  EXPECT_EQ(table.at(kMachine).at(kTask), ConvEngine::implicit);
  EXPECT_EQ(table.at(kMachine).at("another task"), ConvEngine::columns);
}

TEST_F(ConvMemoryTest, ARunsRecordHoldsWhatItUsedAndComesBeforeTheCache) {
  {
    Process run(cache_);
    run.settle(kTask, ConvEngine::columns);  // before the folder is ready
    EXPECT_FALSE(fs::exists(record_));
    run.memory.record_in(record_);
    run.settle("second task", ConvEngine::implicit);
  }
  EXPECT_EQ(read_conv_choices(record_).at(kMachine).size(), 2U);
  write_conv_choices(cache_, {{kMachine, {{kTask, ConvEngine::cudnn}}}});
  Process resumed(cache_);
  resumed.memory.reuse(record_);
  resumed.memory.record_in(record_);
  EXPECT_EQ(resumed.memory.recall(kTask), ConvEngine::columns);
  resumed.settle("third task", ConvEngine::cudnn);
  const ConvChoiceTable table = read_conv_choices(record_);
  EXPECT_EQ(table.at(kMachine),
            (std::map<std::string, ConvEngine>{{kTask, ConvEngine::columns},
                                               {"second task", ConvEngine::implicit},
                                               {"third task", ConvEngine::cudnn}}));
}

TEST_F(ConvMemoryTest, ARecalledChoiceIsRecordedToo) {
  Process(cache_).settle(kTask, ConvEngine::columns);
  Process run(cache_);
  run.memory.record_in(record_);
  EXPECT_FALSE(fs::exists(record_)) << "nothing is used yet";
  run.memory.recall(kTask);
  EXPECT_EQ(read_conv_choices(record_).at(kMachine).at(kTask), ConvEngine::columns);
}

const std::vector<std::string>& damaged_files() {
  static const std::vector<std::string> files = {
      "",
      "{\"half\": ",
      "[]",
      "{\"GPU A, redoubt 1\": 3}",
      "{\"GPU A, redoubt 1\": {\"task\": \"fft\"}}",
      "{\"GPU A, redoubt 1\": {\"task\": \"automatic\"}}",
      "{\"GPU A, redoubt 1\": {\"task\": 1}}",
      "{\"GPU A, redoubt 1\": {\"task\": \"\xff\"}}"};
  return files;
}

TEST_F(ConvMemoryTest, ADamagedCacheIsToldOnceAndReplaced) {
  for (const std::string& bytes : damaged_files()) {
    SCOPED_TRACE(bytes);
    const fs::path cache = folder_.write("conv-engines.json", bytes);
    Process process(cache);
    EXPECT_EQ(process.memory.recall(kTask), std::nullopt);
    EXPECT_EQ(process.memory.recall("another task"), std::nullopt);
    EXPECT_EQ(process.settle(kTask, ConvEngine::columns), ConvEngine::columns);
    EXPECT_EQ(count(process.text.str(), "[warning]"), 1);
    EXPECT_THAT(process.text.str(), AllOf(HasSubstr(cache.string()), HasSubstr("damaged")));
    EXPECT_EQ(Process(cache).memory.recall(kTask), ConvEngine::columns);
  }
}

TEST_F(ConvMemoryTest, ADamagedRecordOfARunIsAnError) {
  for (const std::string& bytes : damaged_files()) {
    SCOPED_TRACE(bytes);
    folder_.write("conv_engines.json", bytes);
    EXPECT_THAT(
        [&] { Process(cache_).memory.reuse(record_); },
        ThrowsMessage<InputError>(AllOf(HasSubstr(record_.string()), HasSubstr("damaged"))));
  }
}

TEST_F(ConvMemoryTest, ACacheThatCannotBeWrittenIsToldOnceAndTheRunGoesOn) {
  const fs::path file = folder_.write("file", "");
  Process process(file / "conv-engines.json");  // a file is no folder
  process.memory.record_in(record_);
  EXPECT_EQ(process.memory.recall(kTask), std::nullopt);
  EXPECT_EQ(process.settle(kTask, ConvEngine::columns), ConvEngine::columns);
  EXPECT_EQ(process.settle("another task", ConvEngine::columns), ConvEngine::columns);
  EXPECT_EQ(count(process.text.str(), "[warning]"), 1);
  EXPECT_THAT(process.text.str(), HasSubstr("this run only"));
  EXPECT_EQ(read_conv_choices(record_).at(kMachine).size(), 2U);
}

TEST_F(ConvMemoryTest, WithoutAPlaceForACacheOnlyTheRunRemembers) {
  Process process("");
  process.memory.record_in(record_);
  EXPECT_EQ(process.memory.recall(kTask), std::nullopt);
  EXPECT_EQ(process.settle(kTask, ConvEngine::columns), ConvEngine::columns);
  EXPECT_THAT(process.text.str(), Not(HasSubstr("[warning]")));
  EXPECT_EQ(read_conv_choices(record_).at(kMachine).at(kTask), ConvEngine::columns);
}

/// Sets an environment variable back when a test ends.
class KeepVariable {
 public:
  explicit KeepVariable(const char* name) : name_(name) {
    if (const char* value = std::getenv(name)) value_ = value;
  }
  ~KeepVariable() { value_ ? setenv(name_, value_->c_str(), 1) : unsetenv(name_); }
  KeepVariable(const KeepVariable&) = delete;
  KeepVariable& operator=(const KeepVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> value_;
};

TEST(ConvCachePath, IsWhereTheEnvironmentKeepsCaches) {
  const KeepVariable cache("XDG_CACHE_HOME");
  const KeepVariable home("HOME");
  setenv("HOME", "/home/user", 1);
  setenv("XDG_CACHE_HOME", "/caches", 1);
  EXPECT_EQ(conv_cache_path(), "/caches/redoubt/conv-engines.json");
  setenv("XDG_CACHE_HOME", "relative", 1);  // to be ignored, says its specification
  EXPECT_EQ(conv_cache_path(), "/home/user/.cache/redoubt/conv-engines.json");
  unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(conv_cache_path(), "/home/user/.cache/redoubt/conv-engines.json");
  unsetenv("HOME");
  EXPECT_EQ(conv_cache_path(), "");
}

}  // namespace

}  // namespace redoubt::experiments
