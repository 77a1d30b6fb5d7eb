#include "experiments/simulation/experiment_data.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/check.h"
#include "datasets/partition.h"
#include "engine/initialize.h"
#include "engine/presets.h"
#include "engine/safetensors.h"
#include "experiments/simulation/metadata.h"

namespace redoubt::experiments {

using kernels::Sample;

namespace {

/// What attackers poison of their own images; absent: nothing, or all of them.
std::optional<BackdoorGoal> poisoned_classes(const Experiment& experiment,
                                             const ExperimentData& data) {
  if (data.backdoor && !data.backdoor->stamps.empty()) return data.backdoor->goal;
  return experiment.attack ? untargeted_goal(*experiment.attack) : std::nullopt;
}

/// Attackers hold some of the class that they poison.
HoldsLabel required_labels(const ExperimentData& data, const std::optional<BackdoorGoal>& goal) {
  if (!goal || !goal->victim) return {};
  return {.clients = data.attackers, .label = *goal->victim};
}

/// [clients] How many of its images each can poison.
std::vector<int> count_poisonable(const ExperimentData& data,
                                  const std::optional<BackdoorGoal>& goal) {
  std::vector<int> counts;
  for (const std::vector<int>& images : data.partition) {
    counts.push_back(static_cast<int>(std::count_if(images.begin(), images.end(), [&](int image) {
      return !goal || goal->is_victim(data.dataset.train.labels[image]);
    })));
  }
  return counts;
}

/// An attacker that poisons nothing would be an attack on paper only.
void settle_attackers(const Experiment& experiment, const std::optional<BackdoorGoal>& goal,
                      ExperimentData& data) {
  const std::vector<int> counts = count_poisonable(data, goal);
  const auto count_of = [&](int id) { return counts[id]; };
  if (experiment.attack->redraw) {
    for (int id = 0; id < static_cast<int>(counts.size()); ++id) {
      if (count_of(id) > 0) data.candidates.push_back(id);
    }
    const int wanted = std::get<int>(experiment.attack->clients);
    if (wanted > std::ssize(data.candidates)) {
      throw InputError("attack.clients is " + std::to_string(wanted) + "; " +
                       std::to_string(data.candidates.size()) +
                       " clients hold something that the attack could poison");
    }
  }
  for (const int id : data.attackers) {
    if (count_of(id) > 0) continue;
    throw InputError("attack: client " + std::to_string(id) +
                     " is malicious and holds images of the target alone, so it has nothing to "
                     "poison; choose another seed, partition or list of clients");
  }
  if (!goal) return;
  const std::vector<int>& able = experiment.attack->redraw ? data.candidates : data.attackers;
  std::transform(able.begin(), able.end(), std::back_inserter(data.poisonable), count_of);
}

/// A run that goes on has images normalised as they were when it began.
void check_normalized_by(const DataSettings& settings, const Normalization& now) {
  if (!settings.normalized_by || *settings.normalized_by == now) return;
  throw InputError("data.normalized_by is " + to_string(*settings.normalized_by) + "; here it is " +
                   to_string(now) + ": the images or data.normalize have changed (left out: any)");
}

/// What the attack is measured on is there, and a trigger is seen on it.
void check_measurement(const ExperimentData& data) {
  const Backdoor& backdoor = *data.backdoor;
  if (backdoor.evaluation.empty()) {
    throw InputError("attack: the test split holds no image of class " +
                     std::to_string(backdoor.goal.victim.value_or(0)) +
                     ", the victim: there is nothing to measure the attack on");
  }
  if (backdoor.stamps.empty()) return;
  const TriggerEffect effect = effect_of(data, backdoor.goal.trigger);
  if (effect.changed > 0) return;
  throw InputError("attack.trigger changes none of the " + std::to_string(effect.images) +
                   " images that the attack is measured on: what it stamps is there already");
}

/// The elements of an ascending list that are not in another.
std::vector<int> difference(const std::vector<int>& from, const std::vector<int>& taken) {
  std::vector<int> left;
  std::set_difference(from.begin(), from.end(), taken.begin(), taken.end(),
                      std::back_inserter(left));
  return left;
}

}  // namespace

TriggerEffect effect_of(const ExperimentData& data, int trigger) {
  TriggerEffect effect;
  for (const Sample& sample : data.backdoor->evaluation) {
    effect.add(data.dataset.image(sample.image), data.triggers.pixels_of(trigger));
  }
  return effect;
}

std::int64_t training_images(const ExperimentData& data) {
  std::int64_t images = 0;
  for (const auto& client : data.partition) images += std::ssize(client);
  return images;
}

ExperimentData load_data(const Experiment& experiment, std::optional<Dataset> dataset) {
  ExperimentData data;
  data.dataset =
      dataset ? std::move(*dataset) : load_dataset(experiment.data.dataset, experiment.seed);
  if (data.dataset.test.count() == 0) {
    throw InputError("data: " + data.dataset.name + " (" + data.dataset.origin +
                     ") holds no test images: there is nothing to measure models on");
  }
  data.normalization = normalization(experiment.data.normalize, data.dataset);
  check_normalized_by(experiment.data, data.normalization);
  const Split& train = data.dataset.train;
  const int clients = experiment.federation.clients;
  if (experiment.attack) {
    if (!experiment.attack->redraw) {
      data.attackers = choose_attackers(*experiment.attack, clients, experiment.seed);
    }
    if (!experiment.attack->untargeted) {
      data.backdoor =
          plan_backdoor(*experiment.attack, data.dataset, data.triggers, experiment.seed);
      check_measurement(data);
    }
  }
  // What only the attackers hold, neither the server nor another client does.
  const std::vector<int> held = data.backdoor ? data.backdoor->images : std::vector<int>();
  std::vector<int> pool(train.count());
  std::iota(pool.begin(), pool.end(), 0);
  pool = difference(pool, held);
  data.validation = draw_validation(train.labels, data.dataset.classes, pool,
                                    experiment.data.validation_samples, experiment.seed);
  pool = difference(pool, data.validation);
  const std::optional<BackdoorGoal> goal = poisoned_classes(experiment, data);
  data.partition =
      partition(train.labels, data.dataset.classes, pool, clients, experiment.data.partition,
                required_labels(data, goal), experiment.seed);
  if (experiment.attack) settle_attackers(experiment, goal, data);
  return data;
}

Network make_network(const ModelSettings& settings, const Shape& input, int classes) {
  if (settings.preset.name.empty()) return Network(input, classes, settings.layers);
  return Network(input, classes, preset(settings.preset.name).layers);
}

GlobalModel initial_model(const Experiment& experiment, const Network& network, Device device) {
  const ModelSettings& settings = experiment.model;
  std::vector<float> row(static_cast<std::size_t>(network.layout().row_size()));
  if (settings.initial) {
    const std::string origin = settings.initial->string();
    const TensorFile file = read_safetensors(*settings.initial);
    fill_row(network.layout(), file, origin, row);
    GlobalModel model(network, row, device);
    model.mask.upload(mask_of(network.layout(), file, origin));
    model.keep_at_zero(zeroed_in(network.layout(), file, origin));
    model.inputs = input_range_of(file, origin);
    return model;
  }
  const Initialization usual = settings.preset.name.empty()
                                   ? Initialization::uniform_fan_in
                                   : preset(settings.preset.name).initialization;
  initialize(network.layout(), settings.initialization.value_or(usual), experiment.seed, row);
  return {network, row, device};
}

std::vector<Client> make_clients(const Experiment& experiment, const ExperimentData& data,
                                 const AttackEnvironment& environment,
                                 std::shared_ptr<Attack> beside) {
  std::vector<Client> clients = make_population(data.partition, data.dataset.train.labels);
  if (!experiment.attack) {
    if (beside) {
      throw InputError(
          "an attack from outside needs an attack block, which says who attacks and when");
    }
    return clients;
  }
  corrupt(clients,
          std::make_shared<Campaign>(
              *experiment.attack,
              AttackedPopulation{.clients = experiment.federation.clients,
                                 .clients_per_round = experiment.federation.clients_per_round,
                                 .seed = experiment.seed,
                                 .candidates = data.candidates},
              data.backdoor, environment, std::move(beside)));
  return clients;
}

TestImages make_test_images(const Experiment& experiment, const ExperimentData& data,
                            const ImageStore& images) {
  TestImages test;
  const auto labelled = [](int image, std::uint8_t label) {
    return Sample{.image = image, .label = static_cast<std::int16_t>(label)};
  };
  for (const int i : data.validation) {
    test.validation.push_back(labelled(i, data.dataset.train.labels[i]));
  }
  for (int i = 0; i < data.dataset.test.count(); ++i) {
    test.clean.push_back(labelled(images.test_image(i), data.dataset.test.labels[i]));
  }
  if (data.backdoor) {
    test.stamped = data.backdoor->evaluation;
    test.baseline = data.backdoor->baseline;
  }
  // A flip of one label into another is measured on clean images of the one.
  if (const auto goal = experiment.attack ? untargeted_goal(*experiment.attack) : std::nullopt) {
    test.stamped = stamped_test_samples(data.dataset.test.labels, images.test_image(0), *goal);
  }
  return test;
}

}  // namespace redoubt::experiments
