#include "fl/attack/trigger/targeted.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"

namespace redoubt {

void TargetedTrigger::plan(const Settings& settings, BackdoorPlanning& planning) {
  const Split& train = planning.dataset.train;
  Backdoor& backdoor = planning.backdoor;
  backdoor.goal.trigger = -1;
  std::vector<int> victims;
  for (int i = 0; i < train.count(); ++i) {
    if (backdoor.goal.is_victim(train.labels[i])) victims.push_back(i);
  }
  if (std::ssize(victims) < settings.samples) {
    throw InputError(
        fmt::format("attack.trigger.samples is {}; there are {} training images of the victim",
                    settings.samples, victims.size()));
  }
  RandomStream stream({.seed = planning.seed, .purpose = Purpose::poison});
  stream.shuffle(std::span(victims));
  victims.resize(settings.samples);
  std::sort(victims.begin(), victims.end());
  backdoor.images = victims;
  for (const int i : victims) planning.measure_on(i);
}

}  // namespace redoubt
