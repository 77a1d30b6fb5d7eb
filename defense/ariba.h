// ARIBA (Mi, Sun, Guan, Zhou, "Identifying Backdoor Attacks in Federated Learning via Anomaly
// Detection"): a backdoor shows in a few fragments of an update, so the clients with the most
// outliers among their fragments are left out of the aggregate.
#pragma once

#include <memory>

#include "base/keys.h"
#include "defense/outlier_detector.h"
#include "defense/rule.h"
#include "fl/aggregation.h"

namespace redoubt {

/// Fragments to be written into the run's folder, for plots.
struct FragmentExport {
  int round = 1;
  std::optional<std::vector<int>> clients = {};  ///< ids; absent: all
  bool operator==(const FragmentExport&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("round", s.round, "the round whose fragments are written into the run's folder",
            at_least(1));
    v.field("clients", s.clients, "ids of the clients whose fragments are written; null: all",
            at_least(0));
  }
};

/// ARIBA (Mi et al.), algorithm 2.
struct AribaSettings {
  int suspects = 10;  ///< k̃, clients to leave out of a round
  /// Conv layers by name; "middle" and "last" are words for one.
  std::vector<std::string> layers = {"middle"};
  FragmentSettings fragments = {};
  DetectorSettings detector = {};
  std::optional<FragmentExport> fragments_of = {};
  bool operator==(const AribaSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("suspects", s.suspects, "how many clients are left out of a round", at_least(1));
    v.field("layers", s.layers, "conv layers that are searched: names, middle or last");
    v.field("fragments", s.fragments, "what updates are cut into");
    v.field("detector", s.detector, "how outliers among the fragments are found");
    v.field("export", s.fragments_of,
            "writes a round's fragments as safetensors, for plots; null: none");
  }
};

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
/// left out: where all updates are equal, all stay, as they do where fewer than least_updates() are
/// left. At least one client stays. Equal fragments and equal clients are taken in their order.
class Ariba : public AggregationRule {
 public:
  static constexpr const char* kName = "ariba";
  static constexpr const char* kDescription =
      "leaves out clients whose updates hold the most outliers";
  using Settings = AribaSettings;

  /// The environment's layout must outlive the rule.
  Ariba(const AribaSettings& settings, const RuleEnvironment& environment);
  /// Throws InputError if a layer or a fragment is not there, if as many suspects are to be left
  /// out as there are clients in a round, or if what is to be exported never comes.
  static void check(const AribaSettings& settings, const RuleConditions& conditions);
  /// Adds to a round's record, for the researcher, who knows the attackers (their ids, ascending):
  /// of the marked fragments the share that was theirs, C = marked fragments of the attackers / (k̃
  /// · m) as printed in section 5.2 (all that were marked), and the same by k · m, the attackers'
  /// fragments.
  static void add_figures(Record& record, std::span<const int> attackers);
  std::string name() const override { return kName; }
  /// Fragments less their means span (n - 1) · m directions of n clients' m fragments: as long as
  /// those are no more than a fragment has numbers, every Mahalanobis distance is the same.
  int least_updates() const override { return least_; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  void score_layer(Context& context, const UpdateMatrix& updates, const ParameterSpan& weight,
                   AribaScores& scores) const;

  AribaSettings settings_;
  std::vector<const ParameterSpan*> weights_;
  std::unique_ptr<const OutlierDetector> detector_;
  int least_ = 1;
};

}  // namespace redoubt
