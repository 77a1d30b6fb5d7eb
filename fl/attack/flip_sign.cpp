#include "fl/attack/flip_sign.h"

#include "kernels/rows.h"

namespace redoubt {

void FlipSign::edit_update(const ClientRound& /*round*/, UpdateRow& update) {
  const auto factor = static_cast<float>(-settings_.factor);
  kernels::scale_rows(update.context, {.rows = 1, .columns = update.size}, {&factor, 1},
                      {update.values, 0});
}

}  // namespace redoubt
