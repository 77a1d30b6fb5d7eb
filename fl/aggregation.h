// Aggregation rules: from the clients' updates to one. FedAvg is here, its rivals are in defense/.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/keys.h"
#include "engine/buffer.h"
#include "engine/safetensors.h"
#include "fl/record.h"
#include "fl/update_matrix.h"

namespace redoubt {

struct FedAvgSettings {
  bool operator==(const FedAvgSettings&) const = default;

  template <class V, class S>
  static void keys(V& /*v*/, S& /*s*/) {}
};

/// What a rule answers: either a weight for each row or, for rules on columns, the combined row.
struct Aggregate {
  /// [clients], finite and not negative; the server divides by their sum. A filter gives its
  /// suspects 0.
  std::vector<double> row_weights;
  /// [row] on the device; empty if row_weights are given, as rules that stream must.
  Buffer<float> combined = {};
  /// Ids of the clients left out as suspects; absent from a rule that suspects nobody.
  std::optional<std::vector<int>> removed = {};
  /// Logged by name, e.g. {"score", a list with a number for each client}; numbers of a rule that
  /// streams are summed over waves.
  Diagnostics diagnostics = {};
  /// Larger things to be written into the run's folder; usually none.
  std::vector<NamedTensor> tensors = {};
};

class AggregationRule {
 public:
  AggregationRule() = default;
  virtual ~AggregationRule() = default;
  AggregationRule(const AggregationRule&) = delete;
  AggregationRule& operator=(const AggregationRule&) = delete;

  /// "krum", as in the experiment file.
  virtual std::string name() const = 0;
  /// A rule that streams may be called once a wave, with a part of the round's clients; its row
  /// weights then must not depend on who else is in the wave.
  virtual bool streams() const { return false; }
  /// Of how few updates the rule holds what it promises. In a round that is left with fewer it does
  /// what it can, and the record says so.
  virtual int least_updates() const { return 1; }
  virtual Aggregate aggregate(Context& context, const UpdateMatrix& updates) = 0;

  /// What the rule remembers of past rounds; it goes into checkpoints. Most remember nothing.
  virtual std::vector<NamedTensor> state() const { return {}; }
  /// Takes up such a state. Throws InputError if it does not fit.
  virtual void restore(const std::vector<NamedTensor>& /*state*/) {}
};

/// McMahan et al. 2017, algorithm 1: w ← Σ (n_k / n) w_k.
class FedAvg : public AggregationRule {
 public:
  static constexpr const char* kName = "fedavg";
  static constexpr const char* kDescription = "mean of the updates, weighted by sample counts";
  using Settings = FedAvgSettings;

  explicit FedAvg(const FedAvgSettings& /*none*/ = {}) {}
  std::string name() const override { return kName; }
  bool streams() const override { return true; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;
};

}  // namespace redoubt
