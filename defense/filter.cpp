#include "defense/filter.h"

#include <algorithm>

namespace redoubt {

Aggregate without_suspects(const UpdateMatrix& updates, std::vector<double> scores,
                           const std::function<bool(double score)>& suspicious) {
  Aggregate aggregate = {
      .row_weights = {updates.sample_counts.begin(), updates.sample_counts.end()}};
  aggregate.removed.emplace();
  for (std::size_t row = 0; row < updates.clients.size(); ++row) {
    if (!suspicious(scores[row])) continue;
    aggregate.row_weights[row] = 0;
    aggregate.removed->push_back(updates.clients[row]);
  }
  aggregate.diagnostics = updates.scored(std::move(scores));
  return aggregate;
}

double lower_median(std::vector<double> values) {
  const auto middle = values.begin() + (std::ssize(values) - 1) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace redoubt
