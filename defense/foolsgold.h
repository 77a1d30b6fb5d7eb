// FoolsGold (Fung, Yoon, Beschastnikh 2020, "The limitations of federated learning in sybil
// settings", algorithm 1): attackers who pursue one goal send updates that are more alike than
// honest clients' are.
#pragma once

#include <map>

#include "defense/settings.h"
#include "fl/aggregation.h"

namespace redoubt {

/// Weighs each update by how unlike its client's history is to all others'. The history is the sum
/// of a client's updates over all rounds so far, of the output layer's weights ("indicative
/// features", section 5.2) or of all trained parameters, and belongs to the rule's state. Logs the
/// weights α as `client_scores`. Weights count by themselves, not times samples; if all are 0 the
/// model stays.
class FoolsGold : public AggregationRule {
 public:
  FoolsGold(const FoolsGoldSettings& settings, const ParameterLayout& layout);
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;
  std::vector<NamedTensor> state() const override;
  void restore(const std::vector<NamedTensor>& state) override;

 private:
  FoolsGoldSettings settings_;
  std::vector<ColumnRange> features_;          ///< of a row
  std::int64_t size_ = 0;                      ///< all of them together
  std::map<int, std::vector<float>> history_;  ///< by client
};

/// α of each of n clients from the [n x n] cosine similarities of their histories.
std::vector<double> foolsgold_weights(std::vector<double> similarity, int clients,
                                      double confidence);

}  // namespace redoubt
