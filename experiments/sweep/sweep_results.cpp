#include "experiments/sweep/sweep_results.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "experiments/run/console.h"

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

namespace {

/// RFC 4180.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields)
    line += (&field == &fields[0] ? "" : ",") + csv_field(field);
  return line + "\n";
}

std::string value_text(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string value_text(const RecordLine& stage, const std::string& key) {
  const auto found = stage.json().find(key);
  return found == stage.json().end() ? "" : value_text(*found);
}

/// The keys of all stages, in the order in which they first appear; an axis of that name stands for
/// the key.
std::vector<std::string> value_columns(const std::vector<SweepResult>& results) {
  const std::array for_readers = {"stage", "note", "level_axis"};
  std::vector<std::string> columns;
  for (const SweepResult& result : results) {
    if (!result.summary) continue;
    const auto& places = result.point->places;
    for (const RecordLine& stage : result.summary->stages) {
      for (const auto& [key, value] : stage.json().items()) {
        const bool known = std::find(columns.begin(), columns.end(), key) != columns.end();
        const bool is_axis = std::any_of(places.begin(), places.end(),
                                         [&key = key](const auto& p) { return p.first == key; });
        const bool told =
            std::find(for_readers.begin(), for_readers.end(), key) != for_readers.end();
        if (!known && !is_axis && !told && !value.is_structured()) columns.push_back(key);
      }
    }
  }
  return columns;
}

}  // namespace

std::string results_csv(const std::vector<SweepResult>& results) {
  const std::vector<std::string> columns = value_columns(results);
  std::string text;
  for (const SweepResult& result : results) {
    std::vector<std::string> start = {result.point->name};
    for (const auto& [axis, place] : result.point->places) start.push_back(place);
    if (text.empty()) {
      std::vector<std::string> titles = {"point"};
      for (const auto& [axis, place] : result.point->places) titles.push_back(axis);
      titles.emplace_back("stage");
      titles.insert(titles.end(), columns.begin(), columns.end());
      titles.emplace_back("seconds");
      text = csv_line(titles);
    }
    if (!result.summary) {
      std::vector<std::string> fields = start;
      fields.emplace_back("failed");
      fields.resize(start.size() + columns.size() + 2);
      text += csv_line(fields);
      continue;
    }
    for (const RecordLine& stage : result.summary->stages) {
      std::vector<std::string> fields = start;
      fields.push_back(stage_title(stage));
      for (const std::string& column : columns) fields.push_back(value_text(stage, column));
      // Of the whole run, so once: a column may be added up.
      const bool first = &stage == &result.summary->stages.front();
      fields.push_back(first ? value_text(Json(result.summary->seconds)) : "");
      text += csv_line(fields);
    }
  }
  return text;
}

}  // namespace redoubt::experiments
