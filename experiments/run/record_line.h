// Records as JSON: written to metrics.jsonl and summary.json, and read back by key and type.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fl/record.h"

namespace redoubt::experiments {

/// A record as one JSON object, keys in their order. Numbers that are not finite become null.
nlohmann::ordered_json to_json(const Record& record);

/// A record that was read: each key is of its type, or absent.
class RecordLine {
 public:
  /// Throws InputError that starts with `origin` and names the key and what was found: if it is no
  /// object, has no stage, is of a round without saying which, or a key of the program's own is of
  /// another type.
  RecordLine(nlohmann::ordered_json json, const std::string& origin);
  explicit RecordLine(const Record& record) : RecordLine(to_json(record), "a record") {}

  const std::string& stage() const { return stage_; }
  /// Of a round; counted from 1, 0 where nothing was trained. Absent from a stage.
  std::optional<int> round() const { return round_; }
  /// Empty where there is none.
  std::string pipeline() const { return text("pipeline"); }
  std::string note() const { return text("note"); }
  /// NaN if it is absent or null.
  double metric(std::string_view name) const;
  /// Of a round: how many updates were used; absent from a stage.
  std::optional<std::int64_t> used_updates() const { return count("used_updates"); }
  /// A key of whole numbers: used_updates or one of those of fl/metrics.h.
  std::optional<std::int64_t> count(std::string_view key) const;
  /// Whether the key is there and holds no number, as a loss of a model that diverged.
  bool is_null(std::string_view key) const;

  const nlohmann::ordered_json& json() const { return json_; }

 private:
  std::string text(const char* key) const;

  nlohmann::ordered_json json_;
  std::string stage_;
  std::optional<int> round_;
};

/// The lines of the metrics.jsonl of a run that has ended. Throws InputError that names file and
/// line.
std::vector<RecordLine> read_records(const std::filesystem::path& metrics);
/// How many rounds a run, perhaps at work, has written down; for a user's eyes.
int count_rounds(const std::filesystem::path& metrics);
/// The lines that tell of a run's training, which is over, as they stand there. Throws as
/// read_records() does.
std::string training_lines(const std::filesystem::path& metrics);

/// What is read of a summary.json.
struct RunSummary {
  std::vector<RecordLine> stages;
  double seconds = 0;
};
/// Throws InputError that names the file and what is wrong in it.
RunSummary read_summary(const std::filesystem::path& file);

}  // namespace redoubt::experiments
