#include "fl/attack/backdoor.h"

#include <cmath>

namespace redoubt {

using kernels::Sample;

namespace {

Sample stamped(const Sample& sample, const BackdoorGoal& goal) {
  return {.image = sample.image,
          .trigger = static_cast<std::int16_t>(goal.trigger),
          .label = static_cast<std::int16_t>(goal.target)};
}

/// What the attacker at this place poisons, once, of its own samples.
std::vector<Sample> poisoned(const Backdoor& backdoor, int place, std::span<const Sample> own) {
  std::vector<Sample> samples;
  for (const int image : backdoor.images) {
    samples.push_back({.image = image, .label = static_cast<std::int16_t>(backdoor.goal.target)});
  }
  if (backdoor.stamps.empty()) return samples;
  const BackdoorGoal goal = backdoor.goal_of(place);
  for (const Sample& sample : own) {
    if (goal.is_victim(sample.label)) samples.push_back(stamped(sample, goal));
  }
  return samples;
}

}  // namespace

BackdoorGoal Backdoor::goal_of(int place) const {
  BackdoorGoal own = goal;
  if (!stamps.empty()) own.trigger = stamps[static_cast<std::size_t>(place) % stamps.size()];
  return own;
}

void PoisonSamples::edit_samples(const ClientRound& round, std::vector<Sample>& samples) {
  const std::vector<Sample> once = poisoned(backdoor_, round.place, samples);
  for (int copy = 0; copy < copies_; ++copy) {
    samples.insert(samples.end(), once.begin(), once.end());
  }
}

void ProtectChannels::edit_dormancy(const ClientRound& round, const DormancyQuestion& question,
                                    DormancyReport& report) {
  const std::vector<Sample> own = poisoned(backdoor_, round.place, question.own_samples);
  if (own.empty()) return;
  const std::vector<double> clean = question.activity(question.own_samples);
  std::vector<double> roused = question.activity(own);
  const double per_poisoned = 1 / static_cast<double>(own.size());
  const double per_clean = 1 / static_cast<double>(question.own_samples.size());
  for (std::size_t c = 0; c < roused.size(); ++c) {
    roused[c] = question.heard[c] == 0 ? INFINITY : roused[c] * per_poisoned - clean[c] * per_clean;
  }
  report = report_of(roused, question.votes);
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
