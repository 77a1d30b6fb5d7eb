#include "experiments/run/outcome_warnings.h"

#include <fmt/format.h>

#include <algorithm>

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

std::vector<std::string> outcome_warnings(const Experiment& experiment,
                                          const std::vector<Json>& metrics) {
  std::vector<std::string> warnings;
  const auto text_of = [](const Json& line) { return line["stage"].get<std::string>(); };
  const auto rounds = std::count_if(metrics.begin(), metrics.end(),
                                    [](const Json& line) { return line.contains("used_updates"); });
  const auto idle = std::count_if(metrics.begin(), metrics.end(), [](const Json& line) {
    return line.contains("used_updates") && line["used_updates"] == 0;
  });
  if (idle > 0) {
    warnings.push_back(fmt::format(
        "in {} of {} rounds no update was used and the model stayed as it was", idle, rounds));
  }
  const auto diverged = std::find_if(metrics.begin(), metrics.end(), [](const Json& line) {
    return line.contains("loss") && line["loss"].is_null();
  });
  if (diverged != metrics.end()) {
    const std::string where = diverged->contains("round")
                                  ? fmt::format("round {}", (*diverged)["round"].get<int>())
                                  : "stage " + text_of(*diverged);
    warnings.push_back("the model has diverged: after " + where + " its loss is no number");
  }
  for (const Json& line : metrics) {
    if (text_of(line) != "best_round" || !experiment.attack) continue;
    const int round = line["round"].get<int>();
    if (round >= experiment.attack->from_round) continue;
    warnings.push_back(
        fmt::format("federation.keep best kept round {}, before attack.from_round, {}: nobody had "
                    "attacked that model yet",
                    round, experiment.attack->from_round));
  }
  return warnings;
}

}  // namespace redoubt::experiments
