// Means that a few wild updates cannot move far: the trimmed mean and the median of each column
// (Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-robust distributed learning") and the
// geometric median (Pillutla, Kakade, Harchaoui 2022, "Robust aggregation for federated learning").
#pragma once

#include "base/keys.h"
#include "defense/rule.h"
#include "fl/aggregation.h"

namespace redoubt {

struct TrimmedMeanSettings {
  int malicious = 1;  ///< values left out at either end of a column
  bool operator==(const TrimmedMeanSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many values are left out at either end of each column",
            between(0, kMostMalicious));
  }
};

struct MedianSettings {
  bool operator==(const MedianSettings&) const = default;

  template <class V, class S>
  static void keys(V& /*v*/, S& /*s*/) {}
};

/// RFA: the smoothed Weiszfeld algorithm.
struct GeometricMedianSettings {
  int iterations = 10;
  double smoothing = 1e-6;  ///< ν
  bool operator==(const GeometricMedianSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("iterations", s.iterations, "iterations of the smoothed Weiszfeld algorithm",
            between(1, 10000));
    v.field("smoothing", s.smoothing,
            "nu: distances below it count as it, so that none is divided by 0", above(0));
  }
};

/// Of each column the mean without its f least and f greatest values, every client alike; as many
/// fewer are left out as rejected updates would make it none.
class TrimmedMean : public AggregationRule {
 public:
  static constexpr const char* kName = "trimmed-mean";
  static constexpr const char* kDescription = "of each column the mean without its extremes";
  using Settings = TrimmedMeanSettings;

  explicit TrimmedMean(const TrimmedMeanSettings& settings) : malicious_(settings.malicious) {}
  static void check(const TrimmedMeanSettings& settings, const RuleConditions& conditions);
  std::string name() const override { return kName; }
  static constexpr int least(int malicious) { return 2 * malicious + 1; }
  int least_updates() const override { return least(malicious_); }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  int malicious_;
};

/// Of each column the median, every client alike; of an even number the mean of the middle two.
class Median : public AggregationRule {
 public:
  static constexpr const char* kName = "median";
  static constexpr const char* kDescription = "of each column the median";
  using Settings = MedianSettings;

  explicit Median(const MedianSettings& /*none*/) {}
  std::string name() const override { return kName; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;
};

/// RFA, algorithm 2: the smoothed Weiszfeld algorithm. From the weighted mean v of the updates,
/// repeats β_k = α_k / max(ν, |v - w_k|), v = Σ β_k w_k / Σ β_k, where α_k is client k's share of
/// the samples. Logs the distance of each update to the result as `client_scores`.
class GeometricMedian : public AggregationRule {
 public:
  static constexpr const char* kName = "geometric-median";
  static constexpr const char* kDescription = "RFA: the point of least distances to all";
  using Settings = GeometricMedianSettings;

  explicit GeometricMedian(const GeometricMedianSettings& settings) : settings_(settings) {}
  std::string name() const override { return kName; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  GeometricMedianSettings settings_;
};

}  // namespace redoubt
