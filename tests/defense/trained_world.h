// A federation that has trained a little, and its server: what the post-training stages work on.
#pragma once

#include "fl/record.h"
#include "fl/server.h"
#include "tests/fl/small_world.h"

namespace redoubt::test {

class TrainedWorld {
 public:
  /// `validation`: whether the server holds images of its own. `edit`: changes the clients.
  explicit TrainedWorld(bool validation = true,
                        const std::function<void(std::vector<Client>&)>& edit = {})
      : federation(world.federation(population(world, edit), settings())) {
    images.clean = samples(world.store.test_image(0), world.dataset.test.labels, 0, 100);
    if (validation) images.validation = samples(0, world.dataset.train.labels, 300, 100);
    for (kernels::Sample sample : images.clean) {
      if (sample.label != 9) continue;
      sample.trigger = static_cast<std::int16_t>(world.trigger);
      sample.label = 1;
      images.stamped.push_back(sample);
    }
    for (int round = 0; round < kRounds; ++round) server.train_round(SmallWorld::kRate);
  }

  /// The layer that the stages work on by default.
  const ChannelSpan& layer() const { return world.network.layout().conv_channels("last"); }
  const ParameterSpan& weight() const { return *world.network.layout().find("conv2.weight"); }
  std::int64_t per_channel() const { return weight().size / layer().channels; }

  /// One channel's part of the model's mask row.
  float mask_of(int channel) const { return model.mask.download()[layer().offset + channel]; }
  void set_mask(int channel, float value) {
    std::vector<float> mask = model.mask.download();
    mask[layer().offset + channel] = value;
    model.mask.upload(mask);
  }

  /// On the server's validation images, of a model of its own.
  Evaluation validate(const std::vector<float>& row, const std::vector<float>& mask) {
    return server.validate({.parameters = {row.data(), 0}, .masks = {mask.data(), 0}}).front();
  }
  /// Mean over the clients of the accuracy on their own data.
  double ask(const std::vector<float>& row, const std::vector<float>& mask) {
    return server.ask_clients({.parameters = {row.data(), 0}, .masks = {mask.data(), 0}})
        .front()
        .accuracy;
  }

  static constexpr int kRounds = 12;

  SmallWorld world;

 private:
  static std::vector<kernels::Sample> samples(int first_image,
                                              const std::vector<std::uint8_t>& labels, int first,
                                              int count) {
    std::vector<kernels::Sample> list;
    for (int i = first; i < first + count; ++i) {
      list.push_back({.image = first_image + i, .label = static_cast<std::int16_t>(labels[i])});
    }
    return list;
  }
  static std::vector<Client> population(const SmallWorld& world,
                                        const std::function<void(std::vector<Client>&)>& edit) {
    std::vector<Client> clients = world.clients({80, 60, 70, 90});
    if (edit) edit(clients);
    return clients;
  }
  static FederationSettings settings() {
    FederationSettings all = small_settings();
    all.local.epochs = 3;
    return all;
  }

 public:
  TestImages images;
  Federation federation;
  GlobalModel model = world.model();
  Server server{federation, model, images};
};

/// A value of a record; fails the test if it is not there or of another type.
template <class T>
T value_of(const Record& record, const std::string& name) {
  const RecordValue* value = record.find(name);
  if (value == nullptr || !std::holds_alternative<T>(*value)) {
    throw std::runtime_error("the record has no such " + name);
  }
  return std::get<T>(*value);
}

}  // namespace redoubt::test
