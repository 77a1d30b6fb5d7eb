#include "fl/attack/backdoor.h"

#include <algorithm>
#include <numeric>

#include "kernels/check.h"
#include "kernels/random.h"
#include "kernels/rows.h"

namespace redoubt {

using kernels::Sample;

namespace {

/// An image as it is, under the attacker's label.
Sample as_target(int image, const BackdoorGoal& goal) {
  return {.image = image, .label = static_cast<std::int16_t>(goal.target)};
}

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
  const int shares = settings_.shared ? attackers_ : 1;
  const auto alpha = static_cast<float>(settings_.scale.value_or(full) / shares);
  kernels::scale_rows(update.context, {.rows = 1, .columns = update.size}, {&alpha, 1},
                      {update.values, 0});
}

std::vector<int> choose_attackers(const AttackSettings& settings, int clients, std::uint64_t seed) {
  std::vector<int> ids;
  if (const auto* listed = std::get_if<std::vector<int>>(&settings.clients)) {
    ids = *listed;
    std::sort(ids.begin(), ids.end());
    const bool twice = std::adjacent_find(ids.begin(), ids.end()) != ids.end();
    if (twice || (!ids.empty() && (ids.front() < 0 || ids.back() >= clients))) {
      throw InputError("attack.clients lists a client twice or one that is not in 0 to " +
                       std::to_string(clients - 1));
    }
    return ids;
  }
  const int count = std::get<int>(settings.clients);
  if (count < 0 || count > clients) {
    throw InputError("attack.clients is " + std::to_string(count) + "; there are " +
                     std::to_string(clients) + " clients");
  }
  ids.resize(static_cast<std::size_t>(clients));
  std::iota(ids.begin(), ids.end(), 0);
  RandomStream stream({.seed = seed, .purpose = Purpose::attacker_choice});
  stream.shuffle(std::span(ids));
  ids.resize(static_cast<std::size_t>(count));
  std::sort(ids.begin(), ids.end());
  return ids;
}

void corrupt(std::vector<Client>& population, const std::vector<int>& attackers,
             const AttackSettings& settings, const Backdoor& backdoor) {
  const RoundWindow window = {.from = settings.from_round,
                              .to = settings.to_round.value_or(RoundWindow().to)};
  const auto replace = std::make_shared<ModelReplacement>(window, settings.replacement,
                                                          static_cast<int>(attackers.size()));
  std::vector<Sample> held;
  for (const int image : backdoor.images) held.push_back(as_target(image, backdoor.goal));
  for (std::size_t i = 0; i < attackers.size(); ++i) {
    std::shared_ptr<const Behaviour> poison;
    if (backdoor.stamps.empty()) {
      poison = std::make_shared<AddSamples>(window, held, settings.poison_copies);
    } else {
      BackdoorGoal own = backdoor.goal;
      own.trigger = backdoor.stamps[i % backdoor.stamps.size()];
      poison = std::make_shared<PoisonSamples>(window, own, settings.poison_copies);
    }
    population[static_cast<std::size_t>(attackers[i])].behaviours = {poison, replace};
  }
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
