#include "experiments/simulation/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "engine/network.h"
#include "experiments/simulation/simulation.h"
#include "fl/attack/attack.h"
#include "fl/attack/untargeted.h"
#include "kernels/device.h"

namespace redoubt::experiments {

namespace {

/// A z of little-is-enough up to which it is none: its search ends some 1e-12 beside 0.
constexpr double kNoShift = 1e-9;

void check_name(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= kLongestName && name != "." && name != ".." &&
                    name.find('/') == std::string::npos && name.front() != '-';
  if (!fits) throw InputError(fmt::format("name is \"{}\"; it must fit as a folder's name", name));
}

/// Whether a GPU is there is another matter: a file may be checked on a machine without one.
void check_device(const std::string& device) {
  if (!device.starts_with("cuda")) parse_device(device);
}

void check_conv_engine(ConvEngine engine) {
  if (is_built(engine)) return;
  throw InputError(
      "conv_engine is cudnn, but this build has no cuDNN; it may be automatic, columns or "
      "implicit");
}

void check_federation(const FederationSettings& federation) {
  const int chosen = federation.clients_per_round.value_or(1);
  if (chosen > federation.clients) {
    throw InputError(fmt::format("federation.clients_per_round is {}; there are {} clients", chosen,
                                 federation.clients));
  }
}

/// The layer whose channels a key is about.
const ChannelSpan& check_layer(const std::string& key, const ParameterLayout& layout,
                               const std::string& name) {
  try {
    return layout.conv_channels(name);
  } catch (const InputError& error) {
    throw InputError(key + ": " + error.what());
  }
}

void check_class(const std::string& key, int label, int classes) {
  if (label >= classes) {
    throw InputError(fmt::format("{} is {}; classes go from 0 to {}", key, label, classes - 1));
  }
}

void check_trigger(const TriggerSettings& trigger, const Shape& shape) {
  if (const auto* pixels = std::get_if<PixelTriggerSettings>(&trigger)) {
    pixel_trigger(*pixels, shape);
  } else if (const auto* pattern = std::get_if<PatternTriggerSettings>(&trigger)) {
    block_trigger({&pattern->block, 1}, pattern->value, shape);
  } else if (const auto* distributed = std::get_if<DistributedTriggerSettings>(&trigger)) {
    const auto parts = distributed->parts.empty() ? distributed_parts(shape) : distributed->parts;
    block_trigger(parts, distributed->value, shape);
  }
}

/// A subset of the training images is drawn anew for each seed: places in the file mean others
/// there.
void check_listed_images(const Experiment& experiment) {
  const auto* semantic = std::get_if<SemanticTriggerSettings>(&experiment.attack->trigger);
  if (semantic == nullptr || semantic->images.empty()) return;
  if (!experiment.data.dataset.train_samples) return;
  throw InputError(
      "attack.trigger.images lists training images by their place in the data set, of which "
      "data.train_samples keeps a part only; leave one of the two out");
}

void check_goal(const std::string& keys, const std::optional<int>& victim, int target,
                int classes) {
  check_class(keys + "target", target, classes);
  if (!victim) return;
  check_class(keys + "victim", *victim, classes);
  if (*victim == target) {
    throw InputError(fmt::format("{0}victim and {0}target are both {1}", keys, target));
  }
}

/// The last round that there is in training or in any pipeline.
int last_round(const Experiment& experiment) {
  int longest = 0;
  for (const Pipeline& pipeline : experiment.defense.pipelines) {
    int rounds = 0;
    for (const StageSettings& stage : pipeline.stages) rounds += Stages::rounds(stage);
    longest = std::max(longest, rounds);
  }
  return experiment.federation.rounds + longest;
}

// ---- Attacks that would do nothing --------------------------------------------------------------

void check_distributed(const AttackSettings& attack, const Shape& shape) {
  const auto* trigger = std::get_if<DistributedTriggerSettings>(&attack.trigger);
  if (trigger == nullptr) return;
  const auto attackers = static_cast<std::ptrdiff_t>(attacker_count(attack));
  const auto parts = std::ssize(trigger->parts.empty() ? distributed_parts(shape) : trigger->parts);
  if (attackers == 0 || attackers >= parts) return;
  throw InputError(
      fmt::format("attack.trigger is distributed in {} parts, but attack.clients is {}: some would "
                  "be with nobody",
                  parts, attackers));
}

void check_evasion(const Experiment& experiment) {
  const AttackSettings& attack = *experiment.attack;
  if (!attack.evade || attack.evade->metric != EvasionSettings::Metric::cosine) return;
  const int last = last_round(experiment);
  if (std::min(attack.to_round.value_or(last), last) != 1) return;
  throw InputError(
      "attack.evade.metric is cosine, and the attack is over after round 1; what it compares with, "
      "the global model's last step, there is from round 2 on");
}

void check_coalition(const Experiment& experiment) {
  const AttackSettings& attack = *experiment.attack;
  if (!attack.untargeted) return;
  const int clients = experiment.federation.clients;
  const int attackers = static_cast<int>(attacker_count(attack));
  const auto* little = std::get_if<LittleIsEnoughSettings>(&*attack.untargeted);
  const auto* product = std::get_if<InnerProductSettings>(&*attack.untargeted);
  const bool omniscient =
      (little != nullptr && little->omniscient) || (product != nullptr && product->omniscient);
  if (omniscient && attackers == clients) {
    throw InputError(
        "attack.untargeted is omniscient, but attack.clients are all there are: there is nobody "
        "honest whose updates they could know");
  }
  if (little == nullptr || little->shift || attackers == 0) return;
  if (experiment.federation.clients_per_round) return;  // another number of attackers in each round
  const double shift = largest_hidden_shift(clients, attackers);
  if (shift > kNoShift) return;
  throw InputError(
      fmt::format("attack.untargeted is little-is-enough: {} of {} clients can hide no shift that "
                  "does harm (z is {:.2f}); set shift, or take more attackers",
                  attackers, clients, std::abs(shift) <= kNoShift ? 0.0 : shift));
}

/// Attackers lie to the questions of rounds in which they attack.
void check_protection(const Experiment& experiment) {
  const AttackSettings& attack = *experiment.attack;
  if (!attack.protect_channels || !attack.to_round) return;
  for (const Pipeline& pipeline : experiment.defense.pipelines) {
    int round = experiment.federation.rounds;
    for (const StageSettings& stage : pipeline.stages) {
      round += Stages::rounds(stage);
      if (!Stages::asks_for_dormancy(stage) || *attack.to_round > round) continue;
      throw InputError(
          fmt::format("attack.protect_channels lies to {}, which asks after round {}, and "
                      "attack.to_round is {}",
                      Stages::name_of(stage), round, *attack.to_round));
    }
  }
}

void check_attack(const Experiment& experiment, const DatasetEntry& dataset,
                  const ParameterLayout& layout) {
  const AttackSettings& attack = *experiment.attack;
  check_attack_settings(attack, default_attack(experiment.data.dataset.name.name));
  if (!attack.untargeted) {
    check_goal("attack.", attack.victim, attack.target, dataset.classes);
    check_trigger(attack.trigger, dataset.shape);
    check_listed_images(experiment);
  } else if (const auto* flip = std::get_if<LabelFlipSettings>(&*attack.untargeted)) {
    check_goal("attack.untargeted.label-flip.", flip->victim, flip->target, dataset.classes);
  }
  const int batch = experiment.federation.local.batch;
  if (attack.local.batch && *attack.local.batch > batch) {
    throw InputError(
        fmt::format("attack.local.batch is {}; it may be at most federation.local."
                    "batch, {}",
                    *attack.local.batch, batch));
  }
  if (attack.pruning_aware) {
    check_layer("attack.pruning_aware.layer", layout, attack.pruning_aware->layer);
  }
  if (attack.self_clip) check_layer("attack.self_clip.layer", layout, attack.self_clip->layer);
  if (attack.to_round && *attack.to_round < attack.from_round) {
    throw InputError(fmt::format("attack.to_round is {}, before attack.from_round, {}",
                                 *attack.to_round, attack.from_round));
  }
  choose_attackers(attack, experiment.federation.clients, experiment.seed);
  check_distributed(attack, dataset.shape);
  check_evasion(experiment);
  check_coalition(experiment);
  check_protection(experiment);
}

void check_defense(const Experiment& experiment, const ParameterLayout& layout) {
  const FederationSettings& federation = experiment.federation;
  Rules::check(experiment.defense.rule,
               {.participants = federation.clients_per_round.value_or(federation.clients),
                .clients = federation.clients,
                .rounds = last_round(experiment),
                .validation_samples = experiment.data.validation_samples,
                .layout = layout});
  const std::vector<float> all(static_cast<std::size_t>(layout.mask_size()), 1.0F);
  check_stages(experiment, layout, all);
}

}  // namespace

void check_stages(const Experiment& experiment, const ParameterLayout& layout,
                  std::span<const float> mask) {
  for (const Pipeline& pipeline : experiment.defense.pipelines) {
    StageConditions conditions = {
        .layout = layout, .validation_samples = experiment.data.validation_samples, .mask = mask};
    for (const StageSettings& stage : pipeline.stages) Stages::check(stage, conditions);
  }
}

void check_experiment(const Experiment& experiment) {
  check_name(experiment.name);
  check_device(experiment.device);
  check_conv_engine(experiment.arithmetic.conv_engine);
  const DatasetEntry& dataset = dataset_entry(experiment.data.dataset.name.name);
  check_federation(experiment.federation);
  if (experiment.federation.keep == FederationSettings::Keep::best &&
      experiment.data.validation_samples == 0) {
    throw InputError(
        "federation.keep is best, but the server holds no validation images to tell by; set "
        "data.validation_samples");
  }
  if (experiment.model.initial_checksum && !experiment.model.initial) {
    throw InputError("model.initial_checksum is of no file: model.initial is not given");
  }
  if (experiment.model.preset.name.empty() == experiment.model.layers.empty()) {
    throw InputError("model: name either a preset or layers");
  }
  const Network network = make_network(experiment.model, dataset.shape, dataset.classes);
  if (experiment.federation.local.last_conv_l2 > 0) {
    check_layer("federation.local.last_conv_l2", network.layout(), "last");
  }
  if (experiment.attack) check_attack(experiment, dataset, network.layout());
  check_defense(experiment, network.layout());
}

}  // namespace redoubt::experiments
