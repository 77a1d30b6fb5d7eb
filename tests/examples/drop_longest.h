// An aggregation rule that leaves out the longest update of a round and averages the rest, in the
// hope that model replacement betrays itself by its length.
#pragma once

#include <algorithm>
#include <cmath>

#include "fl/aggregation.h"

namespace redoubt {

class DropLongest : public AggregationRule {
 public:
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override {
    std::vector<double> squared_norms(updates.clients.size());
    kernels::squared_norms(context, updates.shape, updates.matrix, squared_norms);
    const auto longest = static_cast<std::size_t>(
        std::max_element(squared_norms.begin(), squared_norms.end()) - squared_norms.begin());

    Aggregate aggregate;
    aggregate.row_weights.assign(updates.sample_counts.begin(), updates.sample_counts.end());
    aggregate.row_weights[longest] = 0;
    aggregate.removed = {updates.clients[longest]};
    aggregate.diagnostics = {{"longest", std::sqrt(squared_norms[longest])}};
    return aggregate;
  }
};

}  // namespace redoubt
