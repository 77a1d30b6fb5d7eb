#include "fl/attack/own_training.h"

#include <algorithm>

namespace redoubt {

void OwnTraining::edit_training(const ClientRound& /*round*/, LocalTraining& training) {
  training.epochs = settings_.epochs.value_or(training.epochs);
  training.batch = std::min(settings_.batch.value_or(training.batch), training.batch);
  if (settings_.learning_rate) learning_rate_of(training.optimizer) = *settings_.learning_rate;
}

void OwnTraining::check(const AttackerTraining& settings, const AttackConditions& conditions) {
  if (!settings.batch || *settings.batch <= conditions.batch) return;
  throw InputError("attack.local.batch is " + std::to_string(*settings.batch) +
                   "; it may be at most federation.local.batch, " +
                   std::to_string(conditions.batch));
}

}  // namespace redoubt
