#include "engine/optimizers/sgd.h"

#include "kernels/update.h"

namespace redoubt {

void Sgd::step(const Settings& settings, const OptimizerStep& on) {
  kernels::sgd(on.context, on.replicas, on.size,
               {.learning_rate = settings.learning_rate,
                .momentum = settings.momentum,
                .weight_decay = settings.weight_decay},
               on.gradients, on.values, on.first_state, on.active);
}

}  // namespace redoubt
