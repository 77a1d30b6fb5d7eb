// Planning a backdoor in a data set: what a kind of trigger stamps, which images attackers alone
// hold, and what the attack is measured on.
#pragma once

#include "datasets/dataset.h"
#include "datasets/trigger.h"
#include "fl/attack/backdoor.h"
#include "fl/attack/method.h"

namespace redoubt {

/// A backdoor whose goal's victim and target are known, while a trigger fills it in. Images of the
/// source are the training split followed by the test split.
struct BackdoorPlanning {
  const Dataset& dataset;
  TriggerTable& triggers;
  std::uint64_t seed = 0;
  Backdoor& backdoor;

  /// All attackers stamp this trigger, and stamped test images measure it.
  void stamp(const Trigger& trigger);
  void measure_on_stamped_test_images();
  void measure_on(int image);
  /// Fills in Backdoor::baseline, once it is known what the attack is measured on.
  void compare_with_the_untriggered();
};

}  // namespace redoubt
