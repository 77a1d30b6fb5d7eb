#include "fl/aggregation.h"

namespace redoubt {

Aggregate FedAvg::aggregate(Context& /*context*/, const UpdateMatrix& updates) {
  return {.row_weights = {updates.sample_counts.begin(), updates.sample_counts.end()},
          .diagnostics = {}};
}

}  // namespace redoubt
