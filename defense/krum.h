// Rules that trust the updates lying closest to the others: Krum and multi-Krum (Blanchard, El
// Mhamdi, Guerraoui, Stainer 2017, "Machine learning with adversaries: Byzantine tolerant gradient
// descent") and Bulyan (El Mhamdi, Guerraoui, Rouault 2018, "The hidden vulnerability of
// distributed learning in Byzantium").
#pragma once

#include <vector>

#include "defense/settings.h"
#include "fl/aggregation.h"

namespace redoubt {

/// [n x n] squared distances between the updates, from their Gram matrix.
std::vector<double> pairwise_squared_distances(Context& context, const ClientUpdates& updates);

/// Krum's score of each update that `candidates` lists: the sum of its squared distances to the
/// n - f - 2 candidates nearest to it, at least one of n candidates where there are two.
std::vector<double> krum_scores(const std::vector<double>& squared_distances, int updates,
                                const std::vector<int>& candidates, int malicious);

/// Takes the update of the least score, or the mean of the `selected` least ones (equals in their
/// order). Logs `client_scores` by `scored_clients`.
class Krum : public AggregationRule {
 public:
  /// `selected` absent: n - f.
  Krum(int malicious, std::optional<int> selected) : malicious_(malicious), selected_(selected) {}
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  int malicious_;
  std::optional<int> selected_;
};

/// Selects θ = n - 2f updates, one after the other by Krum among those left, and takes of each
/// column the mean of the β = θ - 2f values nearest to the median.
class Bulyan : public AggregationRule {
 public:
  explicit Bulyan(const BulyanSettings& settings) : malicious_(settings.malicious) {}
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  int malicious_;
};

}  // namespace redoubt
