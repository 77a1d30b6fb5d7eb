// Means that a few wild updates cannot move far: the trimmed mean and the median of each column
// (Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-robust distributed learning") and the
// geometric median (Pillutla, Kakade, Harchaoui 2022, "Robust aggregation for federated learning").
#pragma once

#include "defense/settings.h"
#include "fl/aggregation.h"

namespace redoubt {

/// Of each column the mean without its f least and f greatest values, every client alike; as many
/// fewer are left out as rejected updates would make it none.
class TrimmedMean : public AggregationRule {
 public:
  explicit TrimmedMean(const TrimmedMeanSettings& settings) : malicious_(settings.malicious) {}
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  int malicious_;
};

/// Of each column the median, every client alike; of an even number the mean of the middle two.
class Median : public AggregationRule {
 public:
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;
};

/// RFA, algorithm 2: the smoothed Weiszfeld algorithm. From the weighted mean v of the updates,
/// repeats β_k = α_k / max(ν, |v - w_k|), v = Σ β_k w_k / Σ β_k, where α_k is client k's share of
/// the samples. Logs the distance of each update to the result as `client_scores`.
class GeometricMedian : public AggregationRule {
 public:
  explicit GeometricMedian(const GeometricMedianSettings& settings) : settings_(settings) {}
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  GeometricMedianSettings settings_;
};

}  // namespace redoubt
