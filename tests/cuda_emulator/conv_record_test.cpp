// A run's convolutions on the emulated GPU: engines are searched, recorded, and used again.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "experiments/command/run.h"
#include "experiments/run/conv_memory.h"
#include "experiments/run/run_files.h"
#include "tests/datasets/files.h"

namespace redoubt::experiments {

namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kRecordName = RunFiles().conv_engines().string();

std::string bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class RecordedEngines : public testing::Test {
 protected:
  RecordedEngines() {
    test::write_small_mnist(folder_.path(), 60, 20);
    setenv("XDG_CACHE_HOME", (folder_.path() / "cache").c_str(), 1);
    experiment_ = folder_.write(
        "experiment.yaml",
        "name: run\n"
        "device: cuda\n"
        "precision: fp32\n"
        "data: {dataset: mnist, validation_samples: 0, partition: iid, directory: " +
            folder_.path().string() +
            "}\n"
            "model: {layers: [{conv: {channels: 3, kernel: 5, stride: 3}}, relu, {dense: 10}]}\n"
            "federation: {clients: 2, rounds: 2, local: {batch: 8}}\n"
            "output: {checkpoint_every: 1}\n");
  }
  ~RecordedEngines() override { unsetenv("XDG_CACHE_HOME"); }

  /// Runs into folder_/output/run.
  int run(const fs::path& file, const std::string& output, bool stop_after_a_round = false,
          Existing existing = Existing::refuse, std::vector<std::string> overrides = {}) {
    overrides.push_back("output.directory=" + (folder_.path() / output).string());
    const std::atomic<bool> stop = stop_after_a_round;
    testing::internal::CaptureStdout();
    const int code = run_command(
        {.file = file, .overrides = overrides, .existing = existing, .quiet = true}, stop);
    testing::internal::GetCapturedStdout();
    return code;
  }
  fs::path file_of(const std::string& output, const std::string& name) const {
    return folder_.path() / output / "run" / name;
  }
  std::string model(const std::string& output) const {
    return bytes_of(file_of(output, "model.safetensors"));
  }
  /// The record of a run, rewritten so that every engine is another.
  void record_other_engines(const std::string& output) const {
    ConvChoiceTable table = read_conv_choices(file_of(output, kRecordName));
    ASSERT_EQ(table.size(), 1U);
    for (auto& [task, engine] : table.begin()->second) engine = ConvEngine::cudnn;
    write_conv_choices(file_of(output, kRecordName), table);
  }

  test::TemporaryFolder folder_;
  fs::path experiment_;
};

TEST_F(RecordedEngines, LieInTheRunsFolderInTheCacheAndInTheLog) {
  ASSERT_EQ(run(experiment_, "first"), 0);
  const fs::path record = file_of("first", kRecordName);
  const ConvChoiceTable table = read_conv_choices(record);
  ASSERT_EQ(table.size(), 1U);
  const auto& [machine, tasks] = *table.begin();
  EXPECT_THAT(machine, AllOf(HasSubstr("emulated GPU"), HasSubstr("cuBLAS 13.0.0"),
                             HasSubstr("cuDNN 90000"), HasSubstr("redoubt " REDOUBT_VERSION)));
  // Training forward and backward (no gradient of the images), evaluation with shared weights.
  EXPECT_EQ(tasks.size(), 3U);
  EXPECT_EQ(bytes_of(conv_cache_path()), bytes_of(record));
  EXPECT_THAT(
      bytes_of(file_of("first", "run.log")),
      AllOf(HasSubstr("[debug] convolution engine of forward 2 x 1x28x28x8 to 3 by 5x5/3+0"),
            HasSubstr("cudnn 0.0000 ms")));
  ASSERT_EQ(run(experiment_, "second"), 0);
  EXPECT_THAT(bytes_of(file_of("second", "run.log")),
              AllOf(HasSubstr("(as measured before)"), Not(HasSubstr(" ms"))));
  EXPECT_EQ(model("second"), model("first"));
}

TEST_F(RecordedEngines, AreThoseOfARerunOfTheResolvedExperiment) {
  ASSERT_EQ(run(experiment_, "first"), 0);
  ASSERT_EQ(run(experiment_, "cudnn", false, Existing::refuse, {"conv_engine=cudnn"}), 0);
  EXPECT_FALSE(fs::exists(file_of("cudnn", kRecordName)));
  ASSERT_NE(model("cudnn"), model("first")) << "bits tell the engines apart";
  record_other_engines("first");
  ASSERT_EQ(run(file_of("first", "experiment.yaml"), "again"), 0);
  EXPECT_EQ(model("again"), model("cudnn"));
}

TEST_F(RecordedEngines, AreThoseOfAResumedRun) {
  ASSERT_EQ(run(experiment_, "first", true), 130);
  record_other_engines("first");
  const std::string record = bytes_of(file_of("first", kRecordName));
  ASSERT_EQ(run(experiment_, "first", false, Existing::resume), 0);
  EXPECT_EQ(bytes_of(file_of("first", kRecordName)), record);
  EXPECT_THAT(bytes_of(file_of("first", "run.log")), HasSubstr(": cudnn (as the run before)"));
}

TEST_F(RecordedEngines, AreSearchedAnewWhenARunIsOverwritten) {
  ASSERT_EQ(run(experiment_, "first"), 0);
  const std::string record = bytes_of(file_of("first", kRecordName));
  record_other_engines("first");
  ASSERT_EQ(run(experiment_, "first", false, Existing::overwrite), 0);
  EXPECT_EQ(bytes_of(file_of("first", kRecordName)), record);
  ASSERT_EQ(run(experiment_, "first", false, Existing::overwrite, {"device=cpu"}), 0);
  EXPECT_FALSE(fs::exists(file_of("first", kRecordName)));
}

}  // namespace

}  // namespace redoubt::experiments
