#include "fl/attack/model_replacement.h"

namespace redoubt {

void ModelReplacement::edit_update(const ClientRound& round, UpdateRow& update) {
  using Alpha = ModelReplacementSettings::Alpha;
  double alpha = settings_.scale;
  if (settings_.alpha == Alpha::full) {
    alpha = round.participants / static_cast<double>(round.server_lr);
  } else if (settings_.alpha == Alpha::shared) {
    alpha /= round.attackers;
  }
  scale(update, alpha);
}

}  // namespace redoubt
