#include "experiments/simulation/warnings.h"

#include <fmt/format.h>

#include <algorithm>

#include "fl/client_sampling.h"

namespace redoubt::experiments {

namespace {

/// Fewer images than these, and a backdoor may not take for that reason alone.
constexpr int kFewImages = 10;
/// A deal that leaves out more of the images than this share is worth a word.
constexpr double kMuchLeftOut = 0.1;

std::string images_text(std::ptrdiff_t count) {
  return fmt::format("{} image{}", count, count == 1 ? "" : "s");
}

void warn_of_few_images(const Experiment& experiment, const ExperimentData& data,
                        std::vector<std::string>& warnings) {
  if (experiment.attack->redraw) {
    const auto few = std::count_if(data.poisonable.begin(), data.poisonable.end(),
                                   [](int count) { return count < kFewImages; });
    if (few == 0) return;
    warnings.push_back(
        fmt::format("attack: of the {} clients who may be drawn, {} hold fewer than {} images that "
                    "they can poison",
                    data.candidates.size(), few, kFewImages));
    return;
  }
  for (std::size_t i = 0; i < data.poisonable.size(); ++i) {
    if (data.poisonable[i] >= kFewImages) continue;
    const auto id = static_cast<std::size_t>(data.attackers[i]);
    warnings.push_back(fmt::format("attack: client {} can poison only {} of its {}", id,
                                   data.poisonable[i],
                                   images_text(std::ssize(data.partition[id]))));
  }
}

void warn_of_few_rounds(const Experiment& experiment, const ExperimentData& data,
                        std::vector<std::string>& warnings) {
  const int rounds = experiment.federation.rounds;
  if (rounds == 0 || attacker_count(*experiment.attack) == 0) return;
  if (attacked_rounds(experiment, data) > 0) return;
  if (experiment.attack->from_round > rounds) {
    warnings.push_back(
        fmt::format("attack.from_round is {}, federation.rounds {}: nobody attacks in training",
                    experiment.attack->from_round, rounds));
    return;
  }
  warnings.push_back(fmt::format(
      "attack: of {} clients, {} a round, no attacker takes part in the rounds from {} to {}{}",
      experiment.federation.clients,
      experiment.federation.clients_per_round.value_or(experiment.federation.clients),
      experiment.attack->from_round, std::min(rounds, window_of(*experiment.attack).to),
      experiment.attack->redraw ? "" : "; attack.redraw draws attackers among those who do"));
}

void warn_of_lost_data(const ExperimentData& data, std::vector<std::string>& warnings) {
  const std::int64_t dealt = training_images(data);
  const std::ptrdiff_t held = data.backdoor ? std::ssize(data.backdoor->images) : 0;
  const std::ptrdiff_t all = data.dataset.train.count() - std::ssize(data.validation) - held;
  if (static_cast<double>(dealt) >= (1 - kMuchLeftOut) * static_cast<double>(all)) return;
  warnings.push_back(
      fmt::format("data.partition: clients hold {} of {}; for all to hold equally many, the label "
                  "that most clients share says how many there are of each",
                  dealt, images_text(all)));
}

}  // namespace

int attacked_rounds(const Experiment& experiment, const ExperimentData& data) {
  if (!experiment.attack) return 0;
  const AttackSettings& attack = *experiment.attack;
  const std::vector<int>& able = attack.redraw ? data.candidates : data.attackers;
  const RoundWindow window = window_of(attack);
  int count = 0;
  for (int round = window.from; round <= std::min(window.to, experiment.federation.rounds);
       ++round) {
    const std::vector<int> participants =
        sample_clients(experiment.federation.clients, experiment.federation.clients_per_round,
                       experiment.seed, round);
    count += std::any_of(participants.begin(), participants.end(),
                         [&](int id) { return std::binary_search(able.begin(), able.end(), id); });
  }
  return count;
}

std::vector<std::string> warnings_of(const Experiment& experiment, const ExperimentData& data) {
  std::vector<std::string> warnings;
  if (experiment.attack) {
    warn_of_few_images(experiment, data, warnings);
    warn_of_few_rounds(experiment, data, warnings);
  }
  warn_of_lost_data(data, warnings);
  return warnings;
}

}  // namespace redoubt::experiments
