// Rules that look at each update by itself: its length, or what it does to accuracy on the server's
// images.
#pragma once

#include "defense/rule.h"
#include "defense/settings.h"
#include "fl/aggregation.h"

namespace redoubt {

/// Sun, Kairouz, Suresh, McMahan 2019, "Can you really backdoor federated learning?", sections 4.1
/// and 4.2: FedAvg of updates each scaled to length M if it is longer, and Gaussian noise of
/// deviation σ added to every trained number of the result, drawn from (seed, server_noise, round).
/// Logs how many were scaled as `clipped_clients`.
class NormBound : public AggregationRule {
 public:
  NormBound(const NormBoundSettings& settings, std::uint64_t seed)
      : settings_(settings), seed_(seed) {}
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  NormBoundSettings settings_;
  std::uint64_t seed_;
};

/// Leaves out updates longer than a bound, or than so many times the median length. Logs the
/// lengths as `client_scores`.
class NormCheck : public AggregationRule {
 public:
  explicit NormCheck(const NormCheckSettings& settings) : settings_(settings) {}
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  NormCheckSettings settings_;
};

/// Leaves out clients whose model (the global one plus their update) is worse on the server's
/// validation images than the median client's by more than `drop` (the idea of error-rate
/// rejection: Fang, Cao, Jia, Gong 2020, "Local model poisoning attacks to Byzantine-robust
/// federated learning", section 5). Logs the accuracies as `client_scores`.
class AccuracyCheck : public AggregationRule {
 public:
  AccuracyCheck(const AccuracyCheckSettings& settings, const RuleEnvironment& environment)
      : settings_(settings), environment_(environment) {}
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  AccuracyCheckSettings settings_;
  RuleEnvironment environment_;
};

}  // namespace redoubt
