#include "fl/attack/backdoor.h"

#include "kernels/rows.h"

namespace redoubt {

using kernels::Sample;

namespace {

Sample stamped(const Sample& sample, const BackdoorGoal& goal) {
  return {.image = sample.image,
          .trigger = static_cast<std::int16_t>(goal.trigger),
          .label = static_cast<std::int16_t>(goal.target)};
}

}  // namespace

void PoisonSamples::edit_samples(const ClientRound& /*round*/, std::vector<Sample>& samples) const {
  const std::vector<Sample> clean = samples;
  for (int copy = 0; copy < copies_; ++copy) {
    for (const Sample& sample : clean) {
      if (goal_.is_victim(sample.label)) samples.push_back(stamped(sample, goal_));
    }
  }
}

void AddSamples::edit_samples(const ClientRound& /*round*/, std::vector<Sample>& samples) const {
  for (int copy = 0; copy < copies_; ++copy) {
    samples.insert(samples.end(), extra_.begin(), extra_.end());
  }
}

void ModelReplacement::edit_update(const ClientRound& round, UpdateRow& update) const {
  const double full = round.participants / static_cast<double>(round.server_lr);
  const int shares = settings_.shared ? round.attackers : 1;
  const auto alpha = static_cast<float>(settings_.scale.value_or(full) / shares);
  kernels::scale_rows(update.context, {.rows = 1, .columns = update.size}, {&alpha, 1},
                      {update.values, 0});
}

std::vector<Sample> stamped_test_samples(std::span<const std::uint8_t> labels, int first_image,
                                         const BackdoorGoal& goal) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!goal.is_victim(labels[i])) continue;
    samples.push_back(stamped({.image = first_image + static_cast<int>(i)}, goal));
  }
  return samples;
}

}  // namespace redoubt
