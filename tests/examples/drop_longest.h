// An aggregation rule that leaves out the longest updates of a round and averages the rest, in the
// hope that model replacement betrays itself by its length.
#pragma once

#include <algorithm>
#include <numeric>

#include "defense/rule.h"

namespace redoubt {

struct DropLongestSettings {
  int clients = 1;
  bool operator==(const DropLongestSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("clients", s.clients, "how many clients are left out of a round", between(1, 1e6));
  }
};

class DropLongest : public AggregationRule {
 public:
  static constexpr const char* kName = "drop-longest";
  static constexpr const char* kDescription = "leaves out the longest updates";
  using Settings = DropLongestSettings;

  explicit DropLongest(const Settings& settings) : settings_(settings) {}
  static void check(const Settings& settings, const RuleConditions& conditions) {
    conditions.need_clients("drop-longest.clients", settings.clients, settings.clients + 1);
  }
  std::string name() const override { return kName; }

  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override {
    const std::vector<double> lengths = updates.lengths(context);
    std::vector<int> rows(lengths.size());
    std::iota(rows.begin(), rows.end(), 0);
    std::stable_sort(rows.begin(), rows.end(),
                     [&](int a, int b) { return lengths[a] > lengths[b]; });
    rows.resize(std::min(settings_.clients, updates.shape.rows - 1));  // one stays

    Aggregate aggregate;
    aggregate.row_weights.assign(updates.sample_counts.begin(), updates.sample_counts.end());
    aggregate.removed.emplace();
    for (const int row : rows) {
      aggregate.row_weights[row] = 0;
      aggregate.removed->push_back(updates.clients[row]);
    }
    aggregate.diagnostics = updates.scored(lengths);
    return aggregate;
  }

 private:
  Settings settings_;
};

}  // namespace redoubt
