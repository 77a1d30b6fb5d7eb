#include "fl/attack/model_replacement.h"

#include "kernels/rows.h"

namespace redoubt {

void ModelReplacement::edit_update(const ClientRound& round, UpdateRow& update) {
  using Alpha = ModelReplacementSettings::Alpha;
  double alpha = settings_.scale;
  if (settings_.alpha == Alpha::full) {
    alpha = round.participants / static_cast<double>(round.server_lr);
  } else if (settings_.alpha == Alpha::shared) {
    alpha /= round.attackers;
  }
  const auto factor = static_cast<float>(alpha);
  kernels::scale_rows(update.context, {.rows = 1, .columns = update.size}, {&factor, 1},
                      {update.values, 0});
}

}  // namespace redoubt
