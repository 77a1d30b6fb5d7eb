#include "experiments/simulation/warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <variant>

#include "engine/safetensors.h"
#include "experiments/simulation/checks.h"
#include "experiments/simulation/metadata.h"
#include "fl/client_sampling.h"

namespace redoubt::experiments {

namespace {

/// Fewer images than these, and a backdoor may not take for that reason alone.
constexpr int kFewImages = 10;
/// A deal that leaves out more of the images than this share is worth a word.
constexpr double kMuchLeftOut = 0.1;
/// A trigger that changes a smaller share of the images, or bytes by less on average.
constexpr double kMostChanged = 0.5;
constexpr double kSeen = 16;
/// Fewer images tell less of a model than defenses and readers ask.
constexpr std::ptrdiff_t kEnoughImages = 100;
constexpr std::ptrdiff_t kEnoughOfAttack = 30;

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

/// A stamp that most images have already, or that nobody could see, is a slip more often than a
/// choice.
void warn_of_weak_trigger(const ExperimentData& data, std::vector<std::string>& warnings) {
  if (!data.backdoor) return;
  for (std::size_t part = 0; part < data.backdoor->stamps.size(); ++part) {
    const TriggerEffect effect = effect_of(data, data.backdoor->stamps[part]);
    const std::string what =
        data.backdoor->stamps.size() == 1 ? "" : fmt::format("part {} of it ", part);
    if (static_cast<double>(effect.changed) < kMostChanged * static_cast<double>(effect.images)) {
      warnings.push_back(fmt::format(
          "attack.trigger: {}changes {} of the {} images that the attack is measured on, {:.1f} "
          "bytes each; on the others it is there already",
          what, effect.changed, effect.images,
          static_cast<double>(effect.bytes) /
              static_cast<double>(std::max<std::int64_t>(1, effect.changed))));
    }
    if (effect.changed > 0 && effect.mean_change() < kSeen) {
      warnings.push_back(fmt::format(
          "attack.trigger: {}changes bytes by {:.1f} of 255 on average (attack.trigger.value goes "
          "from 0, black, to 255, white)",
          what, effect.mean_change()));
    }
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

/// The standard error of a share of n images is at most 0.5 / √n.
std::string error_text(std::ptrdiff_t images) {
  return fmt::format("a share of so few is off by up to {:.1f} % (one standard error)",
                     50 / std::sqrt(static_cast<double>(images)));
}

void warn_of_small_measures(const Experiment& experiment, const ExperimentData& data,
                            const Network& network, std::vector<std::string>& warnings) {
  const auto few = [&](const std::string& what, std::ptrdiff_t images, std::ptrdiff_t enough) {
    if (images == 0 || images >= enough) return;
    warnings.push_back(fmt::format("{} {}: {}", what, images_text(images), error_text(images)));
  };
  few("the test split holds", data.dataset.test.count(), kEnoughImages);
  if (data.backdoor) {
    few("attack: its success is measured on", std::ssize(data.backdoor->evaluation),
        kEnoughOfAttack);
  }
  const std::ptrdiff_t validation = std::ssize(data.validation);
  if (experiment.federation.keep == FederationSettings::Keep::best) {
    few("federation.keep is best, by data.validation_samples,", validation, kEnoughImages);
  }
  const std::vector<float> all(static_cast<std::size_t>(network.layout().mask_size()), 1.0F);
  for (const std::string& stage : check_stages(experiment, network.layout(), all)) {
    few(stage + ": models are judged by data.validation_samples,", validation, kEnoughImages);
  }
}

/// Values from which a curve may start, and at which a setting does nothing.
void warn_of_idle_settings(const Experiment& experiment, std::vector<std::string>& warnings) {
  for (const Pipeline& pipeline : experiment.defense.pipelines) {
    for (const StageSettings& stage : pipeline.stages) {
      const auto* prune = std::get_if<PruneSettings>(&stage);
      if (prune != nullptr && prune->channels == 0) {
        warnings.emplace_back("prune.channels is 0: the stage prunes nothing");
      }
    }
  }
  if (!experiment.attack) return;
  const auto& evade = experiment.attack->of<Evade>();
  if (evade && evade->rho == 0) {
    warnings.emplace_back("attack.evade.rho is 0: the attackers' objective is the loss alone");
  }
}

/// A rule that puts up with f attackers promises nothing about more.
void warn_of_many_attackers(const Experiment& experiment, std::vector<std::string>& warnings) {
  const int all = static_cast<int>(attacker_count(*experiment.attack));
  const int attackers = std::min(
      all, experiment.federation.clients_per_round.value_or(experiment.federation.clients));
  Rules::with_class(experiment.defense.rule, [&]<class Rule>(const auto& own) {
    if constexpr (requires { own.malicious; }) {
      if (own.malicious >= attackers) return;
      warnings.push_back(fmt::format(
          "defense.rule.{}.malicious is {}, and up to {} of a round's clients attack: the rule "
          "promises nothing then",
          Rule::kName, own.malicious, attackers));
    }
  });
}

/// A batch of one image, where a batch norm sees one value of it, is normalised to nothing.
void warn_of_single_images(const Experiment& experiment, const ExperimentData& data,
                           const Network& network, std::vector<std::string>& warnings) {
  if (network.fewest_normalized() != 1) return;
  const std::ptrdiff_t batch = experiment.federation.local.batch;
  const auto clients = std::count_if(
      data.partition.begin(), data.partition.end(),
      [&](const std::vector<int>& images) { return std::ssize(images) % batch == 1; });
  if (clients == 0) return;
  warnings.push_back(fmt::format(
      "federation.local.batch is {}: the last batch of {} clients is a single image, which a "
      "batch_norm layer with one value a channel and image normalises by itself",
      batch, clients));
}

void warn_of_another_normalization(const Experiment& experiment, const ExperimentData& data,
                                   std::vector<std::string>& warnings) {
  // Who needs a file that is not there says so.
  if (!experiment.model.initial || !std::filesystem::exists(*experiment.model.initial)) return;
  const std::string origin = experiment.model.initial->string();
  const auto own = normalization_of(read_safetensors(*experiment.model.initial), origin);
  if (!own || *own == data.normalization) return;
  warnings.push_back(
      fmt::format("model.initial: {} was trained on images normalised by {}; here they are by {}",
                  origin, to_string(*own), to_string(data.normalization)));
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
    warn_of_weak_trigger(data, warnings);
    warn_of_many_attackers(experiment, warnings);
  }
  const Network network = make_network(experiment.model, data.dataset.shape, data.dataset.classes);
  warn_of_small_measures(experiment, data, network, warnings);
  warn_of_single_images(experiment, data, network, warnings);
  warn_of_idle_settings(experiment, warnings);
  warn_of_lost_data(data, warnings);
  warn_of_another_normalization(experiment, data, warnings);
  return warnings;
}

}  // namespace redoubt::experiments
