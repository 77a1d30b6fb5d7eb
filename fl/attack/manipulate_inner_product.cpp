#include "fl/attack/manipulate_inner_product.h"

#include "kernels/rows.h"

namespace redoubt {

void ManipulateInnerProduct::edit_updates(const RoundUpdates& updates) {
  std::vector<double> weights = known_rows(updates, settings_.omniscient);
  const double known = count_of(weights);
  if (known == 0) return;
  for (double& weight : weights) weight *= -settings_.epsilon / known;
  Buffer<float> row(updates.context.device(), updates.shape.columns);
  kernels::weighted_sum_rows(updates.context, updates.shape, weights, updates.matrix, row.data());
  send_all(updates, row);
}

void ManipulateInnerProduct::check(const InnerProductSettings& settings,
                                   const AttackConditions& conditions) {
  need_honest_clients(settings.omniscient, conditions);
}

}  // namespace redoubt
