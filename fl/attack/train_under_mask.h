// An attacker who expects to be pruned (Wu et al. 2020, section VI-C).
#pragma once

#include "fl/attack/method.h"

namespace redoubt {

/// Training under the masks that pruning is expected to end with.
struct PruningAwareSettings {
  std::string layer = "last";
  double rate = 0.5;  ///< share of the layer's channels
  bool operator==(const PruningAwareSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("rate", s.rate,
            "share of its channels, the most dormant on own clean data, expected to be pruned",
            inside(0, 1));
  }
};

/// Trains under the masks that it expects pruning to end with: the share of a layer's channels that
/// are most dormant on its own clean data under the global model.
class TrainUnderMask : public Attack {
 public:
  static constexpr const char* kName = "pruning_aware";
  static constexpr const char* kDescription =
      "training under the masks that pruning is expected to end with; null: not";
  using Settings = PruningAwareSettings;

  explicit TrainUnderMask(const PruningAwareSettings& settings) : settings_(settings) {}
  static void check(const PruningAwareSettings& settings, const AttackConditions& conditions);
  void edit_mask(const ClientRound& round, const ActivityQuestion& question,
                 std::span<float> mask) override;

 private:
  PruningAwareSettings settings_;
};

}  // namespace redoubt
