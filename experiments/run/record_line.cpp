#include "experiments/run/record_line.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <type_traits>

#include "base/check.h"
#include "experiments/simulation/round_kinds.h"
#include "fl/metrics.h"

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostQuoted = 40;  // bytes of what was found

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// On one line, whatever bytes it holds.
std::string shortened(const Json& found) {
  std::string text = found.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kMostQuoted) text = text.substr(0, kMostQuoted) + "...";
  return text;
}

[[noreturn]] void refuse(const std::string& origin, const std::string& key, const Json* found,
                         const std::string& expected) {
  throw InputError(origin + ": damaged: " + key + " is " +
                   (found == nullptr ? "not there" : shortened(*found)) + "; it must be " +
                   expected);
}

const Json* find(const Json& json, std::string_view key) {
  const auto found = json.find(std::string(key));
  return found == json.end() ? nullptr : &*found;
}

void check_text(const Json& json, const char* key, const std::string& origin) {
  const Json* found = find(json, key);
  if (found != nullptr && !found->is_string()) refuse(origin, key, found, "a text");
}

/// Absent if it is not there.
std::optional<std::int64_t> whole(const Json& json, const char* key, const std::string& origin) {
  constexpr auto kMost = std::int64_t{1} << 53;
  const Json* found = find(json, key);
  if (found == nullptr) return {};
  // A number beyond 64 bits is read as one that is not whole.
  const bool fits = found->is_number_integer() && *found >= 0 && *found <= kMost;
  if (!fits) refuse(origin, key, found, "a whole number");
  return found->get<std::int64_t>();
}

/// The lines of a file. Of a run at work the last may have no end yet; if so, it is left out.
std::vector<std::string> lines_of(const std::filesystem::path& path, bool at_work) {
  std::vector<std::string> lines;
  std::ifstream stream(path, std::ios::binary);
  for (std::string line; std::getline(stream, line);) {
    if (at_work && stream.eof()) break;
    lines.push_back(line);
  }
  return lines;
}

RecordLine parsed(const std::filesystem::path& path, const std::string& line, std::size_t number) {
  return {Json::parse(line, nullptr, false), path.string() + ":" + std::to_string(number)};
}

}  // namespace

Json to_json(const Record& record) {
  Json json = {{"stage", record.stage}};
  for (const auto& [name, value] : record.values) {
    json[name] = std::visit(
        [](const auto& v) -> Json {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, double>) return number(v);
          if constexpr (std::is_same_v<T, std::vector<double>>) {
            Json list = Json::array();
            for (const double item : v) list.push_back(number(item));
            return list;
          }
          return v;
        },
        value);
  }
  if (!record.note.empty()) json["note"] = record.note;
  return json;
}

RecordLine::RecordLine(Json json, const std::string& origin) : json_(std::move(json)) {
  if (!json_.is_object()) {
    throw InputError(origin + ": damaged: no record of a round or a stage");
  }
  const Json* stage = find(json_, "stage");
  if (stage == nullptr || !stage->is_string()) refuse(origin, "stage", stage, "a text");
  stage_ = stage->get<std::string>();
  for (const char* key : {"pipeline", "note"}) check_text(json_, key, origin);
  const auto round = whole(json_, "round", origin);
  if (is_round(stage_) && !round) refuse(origin, "round", nullptr, "a whole number");
  if (round) round_ = static_cast<int>(std::min<std::int64_t>(*round, INT32_MAX));
  for (const char* key :
       {"used_updates", kAttackImages, kNeededUpdates, kRaisedStatistics, kCollapsedClass}) {
    whole(json_, key, origin);
  }
  for (const Metric& metric : metrics()) {
    const Json* found = find(json_, metric.name);
    if (found == nullptr || found->is_number() || found->is_null()) continue;
    refuse(origin, std::string(metric.name), found, "a number");
  }
}

double RecordLine::metric(std::string_view name) const {
  const Json* found = find(json_, name);
  return found == nullptr || !found->is_number() ? NAN : found->get<double>();
}

std::optional<std::int64_t> RecordLine::count(std::string_view key) const {
  const Json* found = find(json_, key);
  return found == nullptr ? std::nullopt : std::optional(found->get<std::int64_t>());
}

bool RecordLine::is_null(std::string_view key) const {
  const Json* found = find(json_, key);
  return found != nullptr && found->is_null();
}

std::string RecordLine::text(const char* key) const {
  const Json* found = find(json_, key);
  return found == nullptr ? "" : found->get<std::string>();
}

std::vector<RecordLine> read_records(const std::filesystem::path& metrics) {
  std::vector<RecordLine> records;
  for (const std::string& line : lines_of(metrics, false)) {
    records.push_back(parsed(metrics, line, records.size() + 1));
  }
  return records;
}

int count_rounds(const std::filesystem::path& metrics) {
  const std::vector<std::string> lines = lines_of(metrics, true);
  return static_cast<int>(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    const Json json = Json::parse(line, nullptr, false);
    const Json* stage = json.is_object() ? find(json, "stage") : nullptr;
    return stage != nullptr && stage->is_string() && is_round(stage->get<std::string>());
  }));
}

std::string training_lines(const std::filesystem::path& metrics) {
  std::string text;
  std::size_t number = 0;
  for (const std::string& line : lines_of(metrics, true)) {
    if (!is_of_training(parsed(metrics, line, ++number).stage())) break;
    text += line + "\n";
  }
  return text;
}

RunSummary read_summary(const std::filesystem::path& file) {
  std::ifstream stream(file);
  const Json json = Json::parse(stream, nullptr, false);
  const std::string origin = file.string();
  if (!json.is_object()) throw InputError(origin + ": damaged: no summary of a run");
  const Json* stages = find(json, "stages");
  if (stages == nullptr || !stages->is_array()) refuse(origin, "stages", stages, "a list");
  const Json* seconds = find(json, "seconds");
  if (seconds == nullptr || !seconds->is_number()) refuse(origin, "seconds", seconds, "a number");
  RunSummary summary = {.stages = {}, .seconds = seconds->get<double>()};
  for (const Json& stage : *stages) {
    summary.stages.emplace_back(stage,
                                origin + ": stages[" + std::to_string(summary.stages.size()) + "]");
  }
  return summary;
}

}  // namespace redoubt::experiments
