// Records read back from files: by key and type, with one message where one is damaged.
#include "experiments/run/record_line.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/datasets/files.h"
#include "tests/support/expect_message.h"

namespace redoubt::experiments {

using test::input_error;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

class RecordLines : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) const {
    return folder_.write("metrics.jsonl", text);
  }
  test::TemporaryFolder folder_;
};

const std::string kSound = "{\"stage\":\"round\",\"round\":1,\"accuracy\":0.5,\"loss\":null}\n";

}  // namespace

TEST_F(RecordLines, AreWhatWasWritten) {
  Record record = {.stage = "prune", .values = {}, .note = "2 of 4 channels of conv2 pruned"};
  record.add("accuracy", 0.25);
  record.add("loss", std::nan(""));
  const RecordLine line(record);
  EXPECT_EQ(line.json().dump(),
            "{\"stage\":\"prune\",\"accuracy\":0.25,\"loss\":null,"
            "\"note\":\"2 of 4 channels of conv2 pruned\"}");
  EXPECT_EQ(line.stage(), "prune");
  EXPECT_EQ(line.note(), record.note);
  EXPECT_EQ(line.pipeline(), "");
  EXPECT_FALSE(line.round());
  EXPECT_EQ(line.metric("accuracy"), 0.25);
  EXPECT_TRUE(std::isnan(line.metric("loss")));
  EXPECT_TRUE(line.is_null("loss"));
  EXPECT_FALSE(line.is_null("attack_success_rate"));
}

TEST_F(RecordLines, SayFileLineKeyAndWhatWasFound) {
  for (const auto& [line, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", "no record"},
           {"[]", "no record"},
           {"null", "no record"},
           {"{\"stage\":\"round\",\"rou", "no record"},
           {"{}", "stage is not there; it must be a text"},
           {"{\"stage\":1}", "stage is 1; it must be a text"},
           {"{\"stage\":null}", "stage is null; it must be a text"},
           {"{\"stage\":[]}", "stage is []; it must be a text"},
           {"{\"stage\":\"round\"}", "round is not there; it must be a whole number"},
           {"{\"stage\":\"best_round\"}", "round is not there; it must be a whole number"},
           {"{\"stage\":\"round\",\"round\":\"1\"}", "round is \"1\"; it must be a whole number"},
           {"{\"stage\":\"round\",\"round\":1.5}", "round is 1.5; it must be a whole number"},
           {"{\"stage\":\"round\",\"round\":-1}", "round is -1; it must be a whole number"},
           {"{\"stage\":\"prune\",\"round\":{}}", "round is {}; it must be a whole number"},
           {"{\"stage\":\"prune\",\"accuracy\":\"high\"}",
            "accuracy is \"high\"; it must be a number"},
           {"{\"stage\":\"prune\",\"pruned_channels\":[3]}",
            "pruned_channels is [3]; it must be a number"},
           {"{\"stage\":\"prune\",\"pipeline\":3}", "pipeline is 3; it must be a text"},
           {"{\"stage\":\"prune\",\"note\":null}", "note is null; it must be a text"},
           {"{\"stage\":\"round\",\"round\":2,\"used_updates\":true}",
            "used_updates is true; it must be a whole number"},
       }) {
    const auto path = write(kSound + line + "\n");
    EXPECT_THAT(input_error([&] { read_records(path); }),
                AllOf(StartsWith(path.string() + ":2: damaged: "), HasSubstr(expected)))
        << line;
  }
}

TEST_F(RecordLines, QuoteWhatWasFoundOnOneShortLine) {
  const auto path = write("{\"stage\":[\"a\\nb" + std::string(1000, 'x') + "\"]}\n");
  const std::string message = input_error([&] { read_records(path); });
  EXPECT_LT(message.size(), path.string().size() + 120);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST_F(RecordLines, OfTrainingStandBeforeThoseOfStages) {
  const std::string best = "{\"stage\":\"best_round\",\"round\":1}\n";
  EXPECT_EQ(training_lines(write(kSound + best + "{\"stage\":\"prune\"}\n" + kSound)),
            kSound + best);
  // Another run's process may be writing a stage's line just now.
  EXPECT_EQ(training_lines(write(kSound + "{\"stage\":\"pru")), kSound);
  EXPECT_THAT(input_error([&] { training_lines(write(kSound + "{\"stage\":1}\n")); }),
              HasSubstr("metrics.jsonl:2: damaged: stage is 1"));
}

TEST_F(RecordLines, OfRoundsAreCountedWhileTheRunGoesOn) {
  const std::string tuned = "{\"stage\":\"fine_tune_round\",\"round\":2}\n";
  EXPECT_EQ(count_rounds(write(kSound + tuned + "{\"stage\":\"prune\",\"order\":[1]}\n")), 2);
  // Nothing but the rounds themselves: what a rule or a stage says may read alike.
  EXPECT_EQ(count_rounds(write("{\"stage\":\"ground\",\"round\":1}\n"
                               "{\"stage\":\"prune\",\"note\":\"round\\\",\\\"round\\\":\"}\n"
                               "[]\n{\"stage\":1}\n{\"sta\n" +
                               kSound + "{\"stage\":\"round\",\"round\":2")),
            1);
  EXPECT_EQ(count_rounds(folder_.path() / "nothing"), 0);
}

TEST_F(RecordLines, OfASummaryAreReadAsThoseOfMetrics) {
  const auto path = folder_.path() / "summary.json";
  const auto summary = [&](const std::string& text) {
    folder_.write("summary.json", text);
    return read_summary(path);
  };
  const RunSummary sound = summary("{\"stages\": [" + kSound + "], \"seconds\": 2.5}");
  EXPECT_EQ(sound.seconds, 2.5);
  ASSERT_EQ(sound.stages.size(), 1U);
  EXPECT_EQ(sound.stages.front().round(), 1);
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", "no summary of a run"},
           {"[]", "no summary of a run"},
           {"{}", "stages is not there; it must be a list"},
           {"{\"stages\": {}}", "stages is {}; it must be a list"},
           {"{\"stages\": []}", "seconds is not there; it must be a number"},
           {"{\"stages\": [], \"seconds\": \"2\"}", "seconds is \"2\"; it must be a number"},
           {"{\"stages\": [{\"stage\": null}], \"seconds\": 2}",
            "stages[0]: damaged: stage is null; it must be a text"},
       }) {
    EXPECT_THAT(input_error([&] { summary(text); }),
                AllOf(StartsWith(path.string() + ": "), EndsWith(expected)))
        << text;
  }
}

}  // namespace redoubt::experiments
