// Rules that trust the updates lying closest to the others: Krum and multi-Krum (Blanchard, El
// Mhamdi, Guerraoui, Stainer 2017, "Machine learning with adversaries: Byzantine tolerant gradient
// descent") and Bulyan (El Mhamdi, Guerraoui, Rouault 2018, "The hidden vulnerability of
// distributed learning in Byzantium").
#pragma once

#include <vector>

#include "base/keys.h"
#include "defense/rule.h"
#include "fl/aggregation.h"

namespace redoubt {

/// f of the rules below: as many malicious clients in a round are put up with.
struct KrumSettings {
  int malicious = 1;
  bool operator==(const KrumSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many malicious clients of a round the rule puts up with",
            between(0, kMostMalicious));
  }
};

struct MultiKrumSettings {
  int malicious = 1;
  std::optional<int> selected = {};  ///< updates that are averaged; absent: n - f
  bool operator==(const MultiKrumSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many malicious clients of a round the rule puts up with",
            between(0, kMostMalicious));
    v.field("selected", s.selected,
            "how many of the updates of least score are averaged; null: all but f", at_least(1));
  }
};

struct BulyanSettings {
  int malicious = 1;
  bool operator==(const BulyanSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many malicious clients of a round the rule puts up with",
            between(0, kMostMalicious));
  }
};

/// Krum's score of each update that `candidates` lists: the sum of its squared distances to the
/// n - f - 2 candidates nearest to it, at least one of n candidates where there are two.
std::vector<double> krum_scores(const std::vector<double>& squared_distances, int updates,
                                const std::vector<int>& candidates, int malicious);

/// Takes the update of the least score. Logs `client_scores` by `scored_clients`.
class Krum : public AggregationRule {
 public:
  static constexpr const char* kName = "krum";
  static constexpr const char* kDescription = "the update nearest to its neighbours";
  using Settings = KrumSettings;

  explicit Krum(const KrumSettings& settings) : malicious_(settings.malicious) {}
  static void check(const KrumSettings& settings, const RuleConditions& conditions);
  std::string name() const override { return kName; }
  static constexpr int least(int malicious) { return 2 * malicious + 3; }
  int least_updates() const override { return least(malicious_); }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  int malicious_;
};

/// Takes the mean of the `selected` updates of least score (equals in their order). Logs
/// `client_scores` by `scored_clients`.
class MultiKrum : public AggregationRule {
 public:
  static constexpr const char* kName = "multi-krum";
  static constexpr const char* kDescription = "mean of the updates nearest to their neighbours";
  using Settings = MultiKrumSettings;

  explicit MultiKrum(const MultiKrumSettings& settings) : settings_(settings) {}
  static void check(const MultiKrumSettings& settings, const RuleConditions& conditions);
  std::string name() const override { return kName; }
  static constexpr int least(int malicious) { return 2 * malicious + 3; }
  int least_updates() const override { return least(settings_.malicious); }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  MultiKrumSettings settings_;
};

/// Selects θ = n - 2f updates, one after the other by Krum among those left, and takes of each
/// column the mean of the β = θ - 2f values nearest to the median.
class Bulyan : public AggregationRule {
 public:
  static constexpr const char* kName = "bulyan";
  static constexpr const char* kDescription =
      "updates chosen by Krum, of each column the middle values";
  using Settings = BulyanSettings;

  explicit Bulyan(const BulyanSettings& settings) : malicious_(settings.malicious) {}
  static void check(const BulyanSettings& settings, const RuleConditions& conditions);
  std::string name() const override { return kName; }
  static constexpr int least(int malicious) { return 4 * malicious + 3; }
  int least_updates() const override { return least(malicious_); }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;

 private:
  int malicious_;
};

}  // namespace redoubt
