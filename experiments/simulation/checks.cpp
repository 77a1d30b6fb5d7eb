#include "experiments/simulation/checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/printable.h"
#include "engine/network.h"
#include "experiments/simulation/experiment_data.h"
#include "kernels/device.h"

namespace redoubt::experiments {

namespace {

void check_name(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= kLongestName && name != "." && name != ".." &&
                    name.find('/') == std::string::npos && name.front() != '-';
  if (!fits) {
    throw InputError(fmt::format("name is {}; it must fit as a folder's name", in_quotes(name)));
  }
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

/// A value is its own mean: normalised by itself it is the same whatever it was.
void check_normalized_values(const Experiment& experiment, const Network& network) {
  const std::optional<int> values = network.fewest_normalized();
  const auto refuse = [&](const char* key, int batch) {
    if (!values || batch * *values > 1) return;
    throw InputError(fmt::format(
        "{} is {}, and a batch_norm layer has one value a channel and image: it would normalise "
        "each by itself",
        key, batch));
  };
  refuse("federation.local.batch", experiment.federation.local.batch);
  if (!experiment.attack) return;
  if (const auto& batch = experiment.attack->of<OwnTraining>().batch) {
    refuse("attack.local.batch", *batch);
  }
}

void check_start(const Experiment& experiment) {
  if (experiment.federation.rounds > 0 || experiment.model.initial) return;
  if (experiment.defense.pipelines.empty()) return;
  throw InputError(
      "federation.rounds is 0 and model.initial names no file: the stages of "
      "defense.after_training would treat a model that nobody has trained");
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

/// Stages that ask clients which channels are dormant.
std::vector<AttackConditions::Question> questions_of(const Experiment& experiment) {
  std::vector<AttackConditions::Question> questions;
  for (const Pipeline& pipeline : experiment.defense.pipelines) {
    int round = experiment.federation.rounds;
    for (const StageSettings& stage : pipeline.stages) {
      round += Stages::rounds(stage);
      if (!Stages::asks_for_dormancy(stage)) continue;
      questions.push_back({.stage = Stages::name_of(stage), .after_round = round});
    }
  }
  return questions;
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

std::vector<std::string> check_stages(const Experiment& experiment, const ParameterLayout& layout,
                                      std::span<const float> mask) {
  std::vector<std::string> judged;
  for (const Pipeline& pipeline : experiment.defense.pipelines) {
    StageConditions conditions = {
        .layout = layout, .validation_samples = experiment.data.validation_samples, .mask = mask};
    for (const StageSettings& stage : pipeline.stages) Stages::check(stage, conditions);
    judged.insert(judged.end(), conditions.judged_by_server.begin(),
                  conditions.judged_by_server.end());
  }
  return judged;
}

void check_experiment(const Experiment& experiment) {
  check_name(experiment.name);
  check_device(experiment.device);
  check_conv_engine(experiment.arithmetic.conv_engine);
  const DatasetEntry& dataset = dataset_entry(experiment.data.dataset.name.name);
  check_normalization(experiment.data.normalize, dataset.name, dataset.shape.channels);
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
  check_start(experiment);
  const Network network = make_network(experiment.model, dataset.shape, dataset.classes);
  check_normalized_values(experiment, network);
  if (experiment.federation.local.last_conv_l2 > 0) {
    network.layout().conv_channels_of("federation.local.last_conv_l2", "last");
  }
  if (experiment.attack) {
    check_attack(*experiment.attack, default_attack(experiment.data.dataset.name.name),
                 {.attack = *experiment.attack,
                  .images = dataset.shape,
                  .layout = network.layout(),
                  .classes = dataset.classes,
                  .clients = experiment.federation.clients,
                  .clients_per_round = experiment.federation.clients_per_round,
                  .batch = experiment.federation.local.batch,
                  .last_round = last_round(experiment),
                  .subset = experiment.data.dataset.train_samples.has_value(),
                  .seed = experiment.seed,
                  .questions = questions_of(experiment)});
  }
  check_defense(experiment, network.layout());
}

}  // namespace redoubt::experiments
