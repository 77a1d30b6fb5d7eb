// What filters share: rules that score each client and leave out the suspects.
#pragma once

#include <functional>
#include <vector>

#include "fl/aggregation.h"

namespace redoubt {

/// FedAvg without the clients whose score is suspicious. Logs `scored_clients` and, in their order,
/// `client_scores`.
Aggregate without_suspects(const UpdateMatrix& updates, std::vector<double> scores,
                           const std::function<bool(double score)>& suspicious);

/// Of an even number the lower of the middle two. There must be one.
double lower_median(std::vector<double> values);

}  // namespace redoubt
