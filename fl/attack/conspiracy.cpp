#include "fl/attack/conspiracy.h"

#include <numeric>

#include "fl/attack/attackers.h"
#include "fl/attack/method.h"
#include "kernels/rows.h"

namespace redoubt {

std::vector<double> known_rows(const RoundUpdates& updates, bool omniscient) {
  std::vector<std::uint8_t> finite(updates.shape.rows);
  kernels::finite_rows(updates.context, updates.shape, updates.matrix, finite);
  std::vector<double> weights(finite.size(), omniscient ? 1.0 : 0.0);
  for (const int row : updates.attackers) weights[row] = omniscient ? 0 : 1;
  for (std::size_t row = 0; row < finite.size(); ++row) {
    if (finite[row] == 0) weights[row] = 0;
  }
  return weights;
}

double count_of(const std::vector<double>& known) {
  return std::accumulate(known.begin(), known.end(), 0.0);
}

void send_all(const RoundUpdates& updates, const Buffer<float>& row) {
  for (const int attacker : updates.attackers) {
    const UpdateRow own = {updates.context, updates.matrix[attacker], updates.shape.columns,
                           updates.trained};
    for (const ColumnRange& range : own.columns()) {
      updates.context.copy_on_device(own.values + range.offset, row.data() + range.offset,
                                     static_cast<std::size_t>(range.size) * sizeof(float));
    }
  }
}

void need_honest_clients(bool omniscient, const AttackConditions& conditions) {
  if (!omniscient || static_cast<int>(attacker_count(conditions.attack)) != conditions.clients) {
    return;
  }
  throw InputError(
      "attack.untargeted is omniscient, but attack.clients are all there are: there is nobody "
      "honest whose updates they could know");
}

}  // namespace redoubt
