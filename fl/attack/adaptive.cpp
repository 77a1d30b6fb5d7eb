#include "fl/attack/adaptive.h"

#include <algorithm>
#include <cmath>

#include "fl/update_matrix.h"
#include "kernels/rows.h"

namespace redoubt {

void OwnTraining::edit_training(const ClientRound& /*round*/, LocalTraining& training) const {
  training.epochs = settings_.epochs.value_or(training.epochs);
  training.batch = std::min(settings_.batch.value_or(training.batch), training.batch);
  training.optimizer.learning_rate =
      settings_.learning_rate.value_or(training.optimizer.learning_rate);
}

void Evade::edit_objective(const ClientRound& /*round*/, Objective& objective) const {
  objective.metric = settings_.metric == EvasionSettings::Metric::l2
                         ? Evasion::Metric::squared_distance
                         : Evasion::Metric::cosine_distance;
  objective.rho = static_cast<float>(settings_.rho);
}

bool Evade::needs_last_step() const { return settings_.metric == EvasionSettings::Metric::cosine; }

void ProjectUpdate::edit_update(const ClientRound& /*round*/, UpdateRow& update) const {
  const kernels::MatrixShape one = {.rows = 1, .columns = update.size};
  const ColumnRange all = {.offset = 0, .size = update.size};
  const double length = update_length(update.context, update.values,
                                      update.trained.empty() ? std::span(&all, 1) : update.trained);
  if (!(length > norm_)) return;
  const auto factor = static_cast<float>(norm_ / length);
  kernels::scale_rows(update.context, one, {&factor, 1}, {update.values, 0});
}

void ProtectChannels::edit_dormancy(const ClientRound& /*round*/, const DormancyQuestion& question,
                                    DormancyReport& report) const {
  if (poisoned_.empty()) return;
  const std::vector<double> clean = question.activity(question.own_samples);
  std::vector<double> roused = question.activity(poisoned_);
  const double per_poisoned = 1 / static_cast<double>(poisoned_.size());
  const double per_clean = 1 / static_cast<double>(question.own_samples.size());
  for (std::size_t c = 0; c < roused.size(); ++c) {
    roused[c] = question.heard[c] == 0 ? INFINITY : roused[c] * per_poisoned - clean[c] * per_clean;
  }
  report = report_of(roused, question.votes);
}

void TrainUnderMask::edit_mask(const ClientRound& /*round*/, const ActivityQuestion& question,
                               std::span<float> mask) const {
  const ChannelSpan& layer = question.layout.conv_channels(settings_.layer);
  const std::vector<double> all = question.activity(question.own_samples);
  const std::vector<int> ranks = ascending_ranks(std::span(all).subspan(
      static_cast<std::size_t>(layer.offset), static_cast<std::size_t>(layer.channels)));
  // As the server counts: 0.58 of 50 channels are 29, however the product is rounded.
  const auto pruned = static_cast<int>(settings_.rate * layer.channels + 1e-9);
  for (int c = 0; c < layer.channels; ++c) {
    if (ranks[static_cast<std::size_t>(c)] < pruned) {
      mask[static_cast<std::size_t>(layer.offset + c)] = 0;
    }
  }
}

void ClipOwnWeights::edit_objective(const ClientRound& /*round*/, Objective& objective) const {
  objective.clip_layer = settings_.layer;
  objective.clip_delta = settings_.delta;
}

}  // namespace redoubt
