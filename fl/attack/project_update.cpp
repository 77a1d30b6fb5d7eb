#include "fl/attack/project_update.h"

#include "fl/update_matrix.h"

namespace redoubt {

void ProjectUpdate::edit_update(const ClientRound& /*round*/, UpdateRow& update) {
  const double length = update_length(update.context, update.values, update.columns());
  if (length > settings_.norm) scale(update, settings_.norm / length);
}

}  // namespace redoubt
