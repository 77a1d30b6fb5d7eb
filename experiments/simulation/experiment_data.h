// What an experiment is made of before it runs: data, clients, attack, network, first parameters.
#pragma once

#include <optional>
#include <vector>

#include "datasets/dataset.h"
#include "engine/network.h"
#include "experiments/simulation/experiment.h"
#include "fl/attack/campaign.h"
#include "fl/client.h"
#include "fl/global_model.h"
#include "fl/image_store.h"
#include "fl/server.h"

namespace redoubt::experiments {

/// What an experiment is trained and measured on.
struct ExperimentData {
  Dataset dataset;
  Normalization normalization;
  std::vector<std::vector<int>> partition;  ///< [clients] indices of training images
  std::vector<int> validation;              ///< indices of training images
  std::vector<int> attackers;  ///< ids of the malicious clients; empty if they are redrawn
  /// If they are redrawn, ids of those who hold something to poison, ascending; else empty.
  std::vector<int> candidates;
  /// Of each attacker or candidate, how many of its images it can poison; empty if that is all.
  std::vector<int> poisonable;
  TriggerTable triggers;
  std::optional<Backdoor> backdoor;
};

/// How many images all clients hold.
std::int64_t training_images(const ExperimentData& data);

/// What a trigger of the table does to the images that the attack is measured on.
TriggerEffect effect_of(const ExperimentData& data, int trigger);

/// Loads and deals out the data, or deals out a data set from outside. Throws InputError.
ExperimentData load_data(const Experiment& experiment, std::optional<Dataset> dataset = {});

/// The network that the settings name, for images of this shape. Throws InputError.
Network make_network(const ModelSettings& settings, const Shape& input, int classes);

/// What training starts from: fresh, or from the initial file. Throws InputError.
GlobalModel initial_model(const Experiment& experiment, const Network& network, Device device);

/// The clients with their data, the attackers among them with their attack. `beside`: an attack
/// from outside that acts after all that the experiment names; usually none.
std::vector<Client> make_clients(const Experiment& experiment, const ExperimentData& data,
                                 const AttackEnvironment& environment,
                                 std::shared_ptr<Attack> beside = nullptr);

/// What models are measured on.
TestImages make_test_images(const Experiment& experiment, const ExperimentData& data,
                            const ImageStore& images);

}  // namespace redoubt::experiments
