#include "experiments/run/outcome_warnings.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiments/simulation/round_kinds.h"

namespace redoubt::experiments {

std::vector<std::string> outcome_warnings(const Experiment& experiment,
                                          const std::vector<RecordLine>& metrics) {
  std::vector<std::string> warnings;
  const auto rounds = std::count_if(metrics.begin(), metrics.end(),
                                    [](const RecordLine& line) { return line.used_updates(); });
  const auto idle = std::count_if(metrics.begin(), metrics.end(),
                                  [](const RecordLine& line) { return line.used_updates() == 0; });
  if (idle > 0) {
    warnings.push_back(fmt::format(
        "in {} of {} rounds no update was used and the model stayed as it was", idle, rounds));
  }
  const auto diverged = std::find_if(metrics.begin(), metrics.end(),
                                     [](const RecordLine& line) { return line.is_null("loss"); });
  if (diverged != metrics.end()) {
    const std::string where = diverged->round() ? fmt::format("round {}", *diverged->round())
                                                : "stage " + diverged->stage();
    warnings.push_back("the model has diverged: after " + where + " its loss is no number");
  }
  for (const RecordLine& line : metrics) {
    if (line.stage() != kBestRound || !experiment.attack) continue;
    if (*line.round() >= experiment.attack->from_round) continue;
    warnings.push_back(
        fmt::format("federation.keep best kept round {}, before attack.from_round, {}: nobody had "
                    "attacked that model yet",
                    *line.round(), experiment.attack->from_round));
  }
  return warnings;
}

}  // namespace redoubt::experiments
