// What the clients of one wave do in a round, up to the updates that they send.
#include <algorithm>

#include "base/check.h"
#include "base/random.h"
#include "fl/attack/attack.h"
#include "fl/federation.h"
#include "kernels/profile.h"

namespace redoubt {

using kernels::Sample;

std::vector<Sample> Federation::training_samples(const Client& client, const ClientRound& round,
                                                 int epochs) const {
  std::vector<Sample> epoch_samples = client.samples;
  if (client.attacks_in(round.round)) client.attack->edit_samples(round, epoch_samples);
  std::vector<Sample> samples;
  samples.reserve(epoch_samples.size() * static_cast<std::size_t>(epochs));
  for (int epoch = 0; epoch < epochs; ++epoch) {
    std::vector<Sample> order = epoch_samples;
    if (settings_.shuffle) {
      RandomStream stream({.seed = seed_,
                           .purpose = Purpose::sample_order,
                           .client = static_cast<std::uint32_t>(client.id),
                           .round = static_cast<std::uint32_t>(round.round),
                           .step = static_cast<std::uint32_t>(epoch)});
      stream.shuffle(std::span(order));
    }
    samples.insert(samples.end(), order.begin(), order.end());
  }
  return samples;
}

void Federation::train_wave(GlobalModel& model, std::span<const int> wave, const RoundPlan& plan,
                            RoundReport& report) {
  Context& context = executor_.context();
  const int rows = static_cast<int>(wave.size());
  const kernels::MatrixShape shape = {.rows = rows, .columns = model.row.count()};

  // Every client trains from the global model on its own data.
  std::vector<std::vector<Sample>> samples(wave.size());
  std::vector<TrainingTask> tasks(wave.size());
  int state_rows = 0;
  for (int r = 0; r < rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const Client& client = clients_[wave[i]];
    tasks[i] = training_task(model, client, plan, r, samples[i]);
    state_rows = std::max(state_rows, state_rows_of(tasks[i].optimizer));
    report.images += std::ssize(samples[i]);
  }
  if (!fleet_ || fleet_->rows() < rows || fleet_->state_rows() < state_rows) {
    const int all_rows = fleet_ ? std::max(rows, fleet_->rows()) : rows;
    const int all_state_rows = fleet_ ? std::max(state_rows, fleet_->state_rows()) : state_rows;
    fleet_.reset();  // before the new one: two may not fit
    fleet_.emplace(executor_.network().layout(), all_rows, all_state_rows, executor_.device());
  }
  for (int r = 0; r < rows; ++r) {
    context.copy_on_device(fleet_->values()[r], model.row.data(), model.row.bytes());
  }
  const Buffer<float> own_masks = masks_of(model, wave, plan);
  const kernels::Replicas<const float> masks =
      own_masks.count() > 0 ? own_masks.replicas(model.mask.count())
                            : kernels::Replicas<const float>(model.mask.data(), 0);
  for (const auto& totals : executor_.train(*fleet_, tasks, masks)) report.training += totals;

  // update = client model - global model; a malicious client edits its own.
  const std::vector<ColumnRange>& trained = executor_.network().trained_tensors();
  kernels::subtract_row(context, shape, model.row.data(), fleet_->values());
  for (int r = 0; r < rows; ++r) {
    const Client& client = clients_[wave[r]];
    UpdateRow update = {context, fleet_->values()[r], shape.columns, trained};
    if (client.attacks_in(plan.round))
      client.attack->edit_update(client_round(client, plan), update);
  }
  conspire(wave, plan, shape);
}

/// Attackers edit their updates together.
void Federation::conspire(std::span<const int> wave, const RoundPlan& plan,
                          const kernels::MatrixShape& shape) {
  for (const auto& attack : attacks_) {
    std::vector<int> attackers;
    for (int r = 0; r < shape.rows; ++r) {
      const Client& client = clients_[wave[r]];
      if (client.attack == attack && client.attacks_in(plan.round)) attackers.push_back(r);
    }
    if (attackers.empty()) continue;
    attack->edit_updates({.context = executor_.context(),
                          .round = plan.round,
                          .shape = shape,
                          .matrix = fleet_->values(),
                          .clients = wave,
                          .attackers = attackers,
                          .trained = executor_.network().trained_tensors()});
  }
}

/// [wave][mask row] if a client of the wave trains with other channels than the global model has,
/// else empty.
Buffer<float> Federation::masks_of(const GlobalModel& model, std::span<const int> wave,
                                   const RoundPlan& plan) {
  if (plan.attackers.empty()) return {};
  const std::vector<float> global = model.mask.download();
  std::vector<float> masks;
  bool all_alike = true;
  for (const int id : wave) {
    const Client& client = clients_[id];
    std::vector<float> mask = global;
    const ActivityQuestion question = {
        .layout = executor_.network().layout(),
        .own_samples = client.samples,
        .activity = [&](std::span<const Sample> samples) { return activity_on(model, samples); }};
    if (client.attacks_in(plan.round)) {
      client.attack->edit_mask(client_round(client, plan), question, mask);
    }
    all_alike = all_alike && mask == global;
    masks.insert(masks.end(), mask.begin(), mask.end());
  }
  if (all_alike) return {};
  return {executor_.device(), std::span<const float>(masks)};
}

Objective Federation::objective_of(const GlobalModel& model, const Client& client,
                                   const ClientRound& place, float last_conv_l2) const {
  Objective objective;
  add_last_conv_penalty(executor_.network().layout(), last_conv_l2, objective.terms);
  if (client.attacks_in(place.round)) client.attack->edit_objective(place, objective);
  if (model.keeps_zeros()) objective.terms.add(GradientMask(model.kept.data()));
  return objective;
}

TrainingTask Federation::training_task(const GlobalModel& model, const Client& client,
                                       const RoundPlan& plan, int row,
                                       std::vector<Sample>& samples) const {
  const ClientRound place = client_round(client, plan);
  LocalTraining training = settings_.local;
  learning_rate_of(training.optimizer) = plan.learning_rate;
  if (client.attacks_in(plan.round)) client.attack->edit_training(place, training);
  samples = training_samples(client, place, training.epochs);
  const Objective objective = objective_of(model, client, place, training.last_conv_l2);
  return {.row = row,
          .samples = samples,
          .epochs = training.epochs,
          .batch = training.batch,
          .optimizer = training.optimizer,
          .loss = objective.loss,
          .terms = objective.terms,
          .inputs = model.inputs,
          .key = {.seed = seed_,
                  .purpose = Purpose::dropout,
                  .client = static_cast<std::uint32_t>(client.id),
                  .round = static_cast<std::uint32_t>(plan.round)}};
}

void add_last_conv_penalty(const ParameterLayout& layout, float lambda, Terms& terms) {
  if (lambda == 0) return;
  terms.add(L2Penalty(*layout.find(layout.conv_channels("last").name + ".weight"), lambda));
}

}  // namespace redoubt
