// An attacker whose update looks harmless (Mi et al., the norm-evading attacker; Bagdasaryan et al.
// 2020, section 4.3, "constrain and scale").
#pragma once

#include "engine/buffer.h"
#include "fl/attack/method.h"

namespace redoubt {

/// The objective (1 - ρ) · loss + ρ · metric (Mi et al., the norm-evading attacker).
struct EvasionSettings {
  enum class Metric : std::uint8_t {
    l2,      ///< the squared L2 distance of the model from the global one
    cosine,  ///< 1 - the cosine of the update to the last global step, which is the mean update
             ///< that an attacker knows; nothing in the first round
  };
  friend constexpr Names<Metric, 2> names_of(Metric) {
    return {{{"l2", Metric::l2}, {"cosine", Metric::cosine}}};
  }
  Metric metric = Metric::l2;
  double rho = 0.5;
  bool operator==(const EvasionSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("metric", s.metric,
            "what is kept small beside the loss: l2, the squared distance from the global model, "
            "or cosine, 1 - the cosine to the last global step");
    v.field("rho", s.rho,
            "share rho of the metric in the objective (1 - rho) * loss + rho * metric",
            from_to_below(0, 1));
  }
};

/// Minimises (1 - ρ) · loss + ρ · metric.
class Evade : public Attack {
 public:
  static constexpr const char* kName = "evade";
  static constexpr const char* kDescription =
      "an objective beside the loss that makes the update look harmless; null: none";
  using Settings = EvasionSettings;

  Evade(const EvasionSettings& settings, const AttackEnvironment& environment);
  /// A cosine is to the last step, which the first round has not.
  static void check(const EvasionSettings& settings, const AttackConditions& conditions);
  void edit_objective(const ClientRound& round, Objective& objective) override;

 private:
  EvasionSettings settings_;
  Buffer<float> trained_;  ///< [row] 1: a trained column; 0: a running statistic, padding
};

}  // namespace redoubt
