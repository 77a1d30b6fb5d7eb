#include "engine/optimizers/adam.h"

#include "kernels/update.h"

namespace redoubt {

void Adam::step(const Settings& settings, const OptimizerStep& on) {
  kernels::adam(on.context, on.replicas, on.size,
                {.learning_rate = settings.learning_rate,
                 .beta1 = settings.beta1,
                 .beta2 = settings.beta2,
                 .epsilon = settings.epsilon,
                 .weight_decay = settings.weight_decay},
                on.step, on.gradients, on.values, on.first_state, on.second_state, on.active);
}

}  // namespace redoubt
