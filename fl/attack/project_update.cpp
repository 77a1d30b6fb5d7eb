#include "fl/attack/project_update.h"

#include "fl/update_matrix.h"
#include "kernels/rows.h"

namespace redoubt {

void ProjectUpdate::edit_update(const ClientRound& /*round*/, UpdateRow& update) {
  const kernels::MatrixShape one = {.rows = 1, .columns = update.size};
  const double length = update_length(update.context, update.values, update.columns());
  if (!(length > settings_.norm)) return;
  const auto factor = static_cast<float>(settings_.norm / length);
  kernels::scale_rows(update.context, one, {&factor, 1}, {update.values, 0});
}

}  // namespace redoubt
