// A federation small enough for a test: tiny procedural images, two conv layers, uneven clients.
#pragma once

#include <functional>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "datasets/synthetic.h"
#include "datasets/trigger.h"
#include "engine/executor.h"
#include "engine/initialize.h"
#include "fl/federation.h"
#include "fl/image_store.h"

namespace redoubt::test {

class SmallWorld {
 public:
  static constexpr Shape kShape = {1, 12, 12};

  explicit SmallWorld(int threads = 1)
      : dataset(make_synthetic("tiny", kShape, 400, 100, 3)),
        trigger(triggers.add(pixel_trigger({.pixels = 1, .row = 8, .column = 8}, kShape))),
        store(dataset, normalization({}, dataset), triggers, Device()),
        network(
            kShape, 10,
            std::vector<LayerSpec>{Conv::Settings{.channels = 6, .kernel = 3}, Relu::Settings(),
                                   MaxPool::Settings{.window = 2},
                                   Conv::Settings{.channels = 8, .kernel = 3}, Relu::Settings(),
                                   Dropout::Settings{.rate = 0.1}, Dense::Settings{.units = 10}}),
        executor(network, store.source(), Device(), threads, 16) {}

  /// Clients who hold that many of the training images each, in file order.
  std::vector<Client> clients(const std::vector<int>& sizes) const {
    std::vector<std::vector<int>> partition;
    int next = 0;
    for (const int size : sizes) {
      partition.emplace_back(static_cast<std::size_t>(size));
      std::iota(partition.back().begin(), partition.back().end(), next);
      next += size;
    }
    return make_population(partition, dataset.train.labels);
  }

  GlobalModel model() const {
    std::vector<float> row(static_cast<std::size_t>(network.layout().row_size()));
    initialize(network.layout(), Initialization::uniform_fan_in, 11, row);
    return GlobalModel(network, row, Device());
  }

  Federation federation(std::vector<Client> population, const FederationSettings& settings,
                        std::unique_ptr<AggregationRule> rule = nullptr) {
    if (rule == nullptr) rule = std::make_unique<FedAvg>();
    return Federation(executor, std::move(population), std::move(rule), settings, kSeed);
  }

  static constexpr std::uint64_t kSeed = 21;
  static constexpr float kRate = 0.05F;  ///< a learning rate that moves the model at once

  Dataset dataset;
  TriggerTable triggers;
  int trigger;
  ImageStore store;
  Network network;
  Executor executor;
};

/// The settings that most tests start from.
inline FederationSettings small_settings() {
  FederationSettings settings;
  settings.local.batch = 16;
  settings.local.optimizer = Sgd::Settings{.momentum = 0.5F};
  return settings;
}

/// A client that edits its update by a function of its own.
class EditsUpdate : public Behaviour {
 public:
  explicit EditsUpdate(std::function<void(UpdateRow&)> edit, RoundWindow window = {})
      : Behaviour(window), edit_(std::move(edit)) {}
  void edit_update(const ClientRound& /*round*/, UpdateRow& update) const override {
    edit_(update);
  }

 private:
  std::function<void(UpdateRow&)> edit_;
};

/// A client that sends no change at all.
inline std::shared_ptr<const Behaviour> silence() {
  return std::make_shared<EditsUpdate>(
      [](UpdateRow& update) { std::fill_n(update.values, update.size, 0.0F); });
}

/// The model after one round from the start.
inline std::vector<float> after_round(SmallWorld& world, std::vector<Client> population,
                                      const FederationSettings& settings, int round = 1,
                                      RoundReport* report = nullptr) {
  Federation federation = world.federation(std::move(population), settings);
  GlobalModel model = world.model();
  const RoundReport own = federation.run_round(model, round, SmallWorld::kRate);
  if (report != nullptr) *report = own;
  return model.row.download();
}

}  // namespace redoubt::test
