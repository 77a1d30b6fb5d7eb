// ARIBA (Mi, Sun, Guan, Zhou, "Identifying Backdoor Attacks in Federated Learning via Anomaly
// Detection"): a backdoor shows in a few fragments of an update, so the clients with the most
// outliers among their fragments are left out of the aggregate.
#pragma once

#include <memory>

#include "defense/outlier_detector.h"
#include "defense/settings.h"
#include "fl/aggregation.h"

namespace redoubt {

/// The clients' anomaly scores.
struct AribaScores {
  std::vector<double> marked;       ///< [clients] fragments marked as anomalies
  std::int64_t fragments = 0;       ///< of each client: m
  std::vector<NamedTensor> pieces;  ///< the fragments themselves, if asked for
};

/// Algorithm 2. The rest are averaged as by FedAvg. Logs `scored_clients` and, in their order,
/// `client_scores`; `fragments`, a client's fragments in all layers.
///
/// With several layers each is searched by itself and a client's score is the sum. A fragment that
/// lies nowhere but at the mean is never marked, and a client without a marked fragment is never
/// left out: where all updates are equal, all stay. At least one client stays. Equal fragments and
/// equal clients are taken in their order.
class Ariba : public AggregationRule {
 public:
  /// `layout` must outlive the rule.
  Ariba(const AribaSettings& settings, const ParameterLayout& layout);
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;

 private:
  void score_layer(Context& context, const ClientUpdates& updates, const ParameterSpan& weight,
                   AribaScores& scores) const;

  AribaSettings settings_;
  std::vector<const ParameterSpan*> weights_;
  std::unique_ptr<const OutlierDetector> detector_;
};

/// Throws InputError if a layer or a fragment is not there, or if as many suspects are to be left
/// out as there are clients in a round.
void check_ariba(const AribaSettings& settings, int participants, const ParameterLayout& layout);

}  // namespace redoubt
