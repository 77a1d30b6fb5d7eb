// Rules that look at each update by itself: its length, or what it does to accuracy on the server's
// images.
#pragma once

#include "base/keys.h"
#include "defense/rule.h"
#include "fl/aggregation.h"

namespace redoubt {

struct NormBoundSettings {
  double norm = 1;   ///< M, the longest update that counts in full
  double noise = 0;  ///< σ of the Gaussian noise on the result
  bool operator==(const NormBoundSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("norm", s.norm, "M: updates longer than this L2 norm are scaled down to it", above(0));
    v.field("noise", s.noise,
            "standard deviation of the Gaussian noise added to every parameter of the result",
            at_least(0));
  }
};

/// The diagnostic that tells whether a bound fits.
inline constexpr const char* kMedianLength = "median_length";

struct NormCheckSettings {
  std::optional<double> norm = {};  ///< the longest update that counts; absent: by the median
  double times_median = 2;
  bool operator==(const NormCheckSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("norm", s.norm,
            "updates longer than this L2 norm are left out; null: by the round's median", above(0));
    v.when_null("norm", s.norm)
        .field("times_median", s.times_median,
               "updates longer than so many times the round's median length are left out",
               above(0));
  }
};

struct AccuracyCheckSettings {
  double drop = 0.05;  ///< accuracy that an update may lose against the median client's
  bool operator==(const AccuracyCheckSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field(
        "drop", s.drop,
        "accuracy on the validation images that a client's model may lie below the median client's",
        between(0, 1));
  }
};

/// Sun, Kairouz, Suresh, McMahan 2019, "Can you really backdoor federated learning?", sections 4.1
/// and 4.2: FedAvg of updates each scaled to length M if it is longer, and Gaussian noise of
/// deviation σ added to every trained number of the result, drawn from (seed, server_noise, round).
/// Logs how many were scaled as `clipped_clients`, and the round's `median_length`.
class NormBound : public AggregationRule {
 public:
  static constexpr const char* kName = "norm-bound";
  static constexpr const char* kDescription = "scales long updates down; noise if asked for";
  using Settings = NormBoundSettings;

  NormBound(const NormBoundSettings& settings, const RuleEnvironment& environment)
      : settings_(settings), seed_(environment.seed) {}
  std::string name() const override { return kName; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  NormBoundSettings settings_;
  std::uint64_t seed_;
};

/// Leaves out updates longer than a bound, or than so many times the median length. Logs the
/// lengths as `client_scores`.
class NormCheck : public AggregationRule {
 public:
  static constexpr const char* kName = "norm-check";
  static constexpr const char* kDescription = "leaves out long updates";
  using Settings = NormCheckSettings;

  explicit NormCheck(const NormCheckSettings& settings) : settings_(settings) {}
  std::string name() const override { return kName; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  NormCheckSettings settings_;
};

/// Leaves out clients whose model (the global one plus their update) is worse on the server's
/// validation images than the median client's by more than `drop` (the idea of error-rate
/// rejection: Fang, Cao, Jia, Gong 2020, "Local model poisoning attacks to Byzantine-robust
/// federated learning", section 5). Logs the accuracies as `client_scores`.
class AccuracyCheck : public AggregationRule {
 public:
  static constexpr const char* kName = "accuracy-check";
  static constexpr const char* kDescription = "leaves out updates that cost the server accuracy";
  using Settings = AccuracyCheckSettings;

  AccuracyCheck(const AccuracyCheckSettings& settings, const RuleEnvironment& environment)
      : settings_(settings), environment_(environment) {}
  static void check(const AccuracyCheckSettings& settings, const RuleConditions& conditions);
  std::string name() const override { return kName; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  AccuracyCheckSettings settings_;
  RuleEnvironment environment_;
};

}  // namespace redoubt
