#include "fl/attack/trigger/planning.h"

#include <algorithm>

namespace redoubt {

void BackdoorPlanning::stamp(const Trigger& trigger) {
  backdoor.goal.trigger = triggers.add(trigger);
  backdoor.stamps = {backdoor.goal.trigger};
  measure_on_stamped_test_images();
}

void BackdoorPlanning::measure_on_stamped_test_images() {
  backdoor.evaluation =
      stamped_test_samples(dataset.test.labels, dataset.train.count(), backdoor.goal);
}

void BackdoorPlanning::measure_on(int image) {
  backdoor.evaluation.push_back(
      {.image = image, .label = static_cast<std::int16_t>(backdoor.goal.target)});
}

void BackdoorPlanning::compare_with_the_untriggered() {
  backdoor.baseline = backdoor.evaluation;
  if (!backdoor.stamps.empty()) {
    for (kernels::Sample& sample : backdoor.baseline) sample.trigger = kernels::Sample().trigger;
    return;
  }
  BackdoorGoal goal = backdoor.goal;
  goal.trigger = kernels::Sample().trigger;
  backdoor.baseline = stamped_test_samples(dataset.test.labels, dataset.train.count(), goal);
  std::erase_if(backdoor.baseline, [&](const kernels::Sample& other) {
    return std::any_of(backdoor.evaluation.begin(), backdoor.evaluation.end(),
                       [&](const kernels::Sample& own) { return own.image == other.image; });
  });
}

}  // namespace redoubt
