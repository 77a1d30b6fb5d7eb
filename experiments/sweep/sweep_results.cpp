#include "experiments/sweep/sweep_results.h"

#include <algorithm>

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

std::string value_text(const Json& line, const std::string& key) {
  if (!line.contains(key) || line[key].is_null()) return "";
  return line[key].is_string() ? line[key].get<std::string>() : line[key].dump();
}

/// The keys of all stages, in the order in which they first appear; an axis of that name stands for
/// the key.
std::vector<std::string> value_columns(const std::vector<SweepResult>& results) {
  std::vector<std::string> columns;
  for (const SweepResult& result : results) {
    if (result.summary.is_null()) continue;
    const auto& places = result.point->places;
    for (const Json& stage : result.summary["stages"]) {
      for (const auto& [key, value] : stage.items()) {
        const bool known = std::find(columns.begin(), columns.end(), key) != columns.end();
        const bool is_axis = std::any_of(places.begin(), places.end(),
                                         [&key = key](const auto& p) { return p.first == key; });
        if (!known && !is_axis && key != "stage" && !value.is_structured()) columns.push_back(key);
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
    const bool failed = result.summary.is_null();
    for (const Json& stage :
         failed ? Json::array({{{"stage", "failed"}}}) : result.summary["stages"]) {
      std::vector<std::string> fields = start;
      fields.push_back(value_text(stage, "stage"));
      for (const std::string& column : columns) fields.push_back(value_text(stage, column));
      fields.push_back(failed ? "" : value_text(result.summary, "seconds"));
      text += csv_line(fields);
    }
  }
  return text;
}

}  // namespace redoubt::experiments
