// FoolsGold (Fung, Yoon, Beschastnikh 2020, "The limitations of federated learning in sybil
// settings", algorithm 1): attackers who pursue one goal send updates that are more alike than
// honest clients' are.
#pragma once

#include <map>

#include "base/keys.h"
#include "defense/rule.h"
#include "fl/aggregation.h"

namespace redoubt {

struct FoolsGoldSettings {
  /// What histories are made of.
  enum class Features : std::uint8_t { output_layer, all };
  friend constexpr Names<Features, 2> names_of(Features) {
    return {{{"output-layer", Features::output_layer}, {"all", Features::all}}};
  }
  Features features = Features::output_layer;
  double confidence = 1;  ///< κ
  /// Whether an update is divided by its length, if that is above 1, before it joins the history
  /// and the sum: not in the paper, but in the authors' published code.
  bool unit_length = false;
  bool operator==(const FoolsGoldSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("features", s.features,
            "parameters that a client's history is made of: the output layer's weights, or all");
    v.field("unit_length", s.unit_length,
            "whether updates longer than 1 are scaled down to it before they join history and sum, "
            "as in the authors' code; the paper takes them as they are");
    v.field("confidence", s.confidence,
            "kappa: factor of the logit that tells honest from malicious", above(0));
  }
};

/// Weighs each update by how unlike its client's history is to all others'. The history is the sum
/// of a client's updates over all rounds so far, of the output layer's weights ("indicative
/// features", section 5.2) or of all trained parameters, and belongs to the rule's state. Logs the
/// weights α as `client_scores`. Weights count by themselves, not times samples; if all are 0 the
/// model stays.
class FoolsGold : public AggregationRule {
 public:
  static constexpr const char* kName = "foolsgold";
  static constexpr const char* kDescription = "weighs down clients whose histories are alike";
  using Settings = FoolsGoldSettings;

  FoolsGold(const FoolsGoldSettings& settings, const RuleEnvironment& environment);
  std::string name() const override { return kName; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;
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
