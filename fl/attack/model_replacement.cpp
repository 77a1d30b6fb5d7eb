#include "fl/attack/model_replacement.h"

#include "base/check.h"
#include "fl/attack/settings.h"

namespace redoubt {

void ModelReplacement::edit_update(const ClientRound& round, UpdateRow& update) {
  using Alpha = ModelReplacementSettings::Alpha;
  double alpha = settings_.scale;
  if (settings_.alpha == Alpha::full) {
    alpha = round.participants / static_cast<double>(round.server_lr);
  } else if (settings_.alpha == Alpha::shared) {
    alpha /= round.attackers;
  }
  UpdateRow amplified = update;
  if (statistics_) amplified.trained = {};
  scale(amplified, alpha);
}

void ModelReplacement::check(const ModelReplacementSettings& settings,
                             const AttackConditions& conditions) {
  if (!conditions.attack.amplify_statistics) return;
  if (settings == ModelReplacementSettings()) {
    throw InputError("attack.amplify_statistics is true, and attack.scale amplifies nothing");
  }
  if (!conditions.layout.has_statistics()) {
    throw InputError(
        "attack.amplify_statistics is true, and the model has no batch norm whose statistics could "
        "be amplified");
  }
}

}  // namespace redoubt
