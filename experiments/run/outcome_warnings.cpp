#include "experiments/run/outcome_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/run/console.h"
#include "experiments/simulation/round_kinds.h"
#include "fl/metrics.h"

namespace redoubt::experiments {

namespace {

/// Of a classifier that guesses it is ln(classes).
constexpr double kHugeLoss = 100;

/// "round 20", or "stage prune", of a pipeline if it has a name.
std::string place_of(const RecordLine& line) {
  if (line.round()) return fmt::format("round {}", *line.round());
  return fmt::format("stage {}{}", line.pipeline().empty() ? "" : line.pipeline() + "/",
                     line.stage());
}

/// "round 20", or "round 20 and 3 stages after it".
std::string places_of(const std::vector<const RecordLine*>& lines) {
  const std::size_t more = lines.size() - 1;
  return place_of(*lines.front()) +
         (more > 0 ? fmt::format(" and {} stage{} after it", more, more == 1 ? "" : "s") : "");
}

/// Of models whose figures are shown: that they tell nothing of an attack or a defense.
void warn_of_useless_models(const std::vector<RecordLine>& shown,
                            std::vector<std::string>& warnings) {
  std::vector<const RecordLine*> collapsed;
  std::vector<const RecordLine*> wild;
  for (const RecordLine& line : shown) {
    if (line.count(kCollapsedClass)) collapsed.push_back(&line);
    if (line.metric("loss") > kHugeLoss) wild.push_back(&line);
  }
  if (!collapsed.empty()) {
    warnings.push_back(
        fmt::format("after {} the model calls nearly all clean test images class {}{}",
                    places_of(collapsed), *collapsed.front()->count(kCollapsedClass),
                    std::isnan(collapsed.front()->metric("attack_success_rate"))
                        ? ""
                        : "; its attack success rate tells nothing of the attack"));
  }
  if (!wild.empty()) {
    warnings.push_back(fmt::format("after {} the model's loss is {:.4g}; it has all but diverged",
                                   places_of(wild), wild.front()->metric("loss")));
  }
}

void warn_of_raised_statistics(const std::vector<RecordLine>& metrics,
                               std::vector<std::string>& warnings) {
  std::int64_t numbers = 0;
  int rounds = 0;
  for (const RecordLine& line : metrics) {
    const std::int64_t raised = line.count(kRaisedStatistics).value_or(0);
    numbers += raised;
    rounds += raised > 0 ? 1 : 0;
  }
  if (rounds == 0) return;
  warnings.push_back(fmt::format(
      "{} running variances were below 0 after aggregation, in {} rounds, and the server set them "
      "to 0: those layers do not normalise",
      numbers, rounds));
}

/// A bound far below what clients send stops training.
void warn_of_tight_bound(const Experiment& experiment, const std::vector<RecordLine>& metrics,
                         std::vector<std::string>& warnings) {
  constexpr double kTight = 0.01;
  const auto* bound = std::get_if<NormBoundSettings>(&experiment.defense.rule);
  if (bound == nullptr) return;
  for (const RecordLine& line : metrics) {
    const double length = line.metric(kMedianLength);
    if (!(bound->norm < kTight * length)) continue;
    warnings.push_back(
        fmt::format("defense.rule.norm-bound.norm is {}, and the median update of {} is {:.4g} "
                    "long: hardly anything of it moves the model",
                    bound->norm, place_of(line), length));
    return;
  }
}

}  // namespace

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
    warnings.push_back("the model has diverged: after " + place_of(*diverged) +
                       " its loss is no number");
  }
  warn_of_useless_models(stage_lines(metrics), warnings);
  const auto is_short = [](const RecordLine& line) {
    return line.count(kNeededUpdates).has_value();
  };
  if (const auto few = std::count_if(metrics.begin(), metrics.end(), is_short); few > 0) {
    const auto first = std::find_if(metrics.begin(), metrics.end(), is_short);
    warnings.push_back(fmt::format(
        "in {} of {} rounds, first in {}, fewer than the {} updates were finite that the rule "
        "needs for what it promises",
        few, rounds, place_of(*first), *first->count(kNeededUpdates)));
  }
  warn_of_raised_statistics(metrics, warnings);
  warn_of_tight_bound(experiment, metrics, warnings);
  for (const RecordLine& line : metrics) {
    if (line.stage() != kFailed) continue;
    warnings.push_back(fmt::format("pipeline {} ended early: {}", line.pipeline(), line.note()));
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
