#include "fl/attack/trigger/planning.h"

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

}  // namespace redoubt
