// Model replacement (Bagdasaryan et al. 2020, section 4.2; Wu et al. 2020, section III).
#pragma once

#include "fl/attack/method.h"

namespace redoubt {

/// How the update is amplified so that it survives averaging: `scale: 3`, `scale: full`, or `scale:
/// {shared: 50}`.
struct ModelReplacementSettings {
  enum class Alpha : std::uint8_t {
    each,    ///< `scale`
    full,    ///< participants / server_lr, which replaces the global model in one round where all
             ///< participants hold equally many samples
    shared,  ///< `scale` among the attackers of a round: each of k takes scale / k
  };
  Alpha alpha = Alpha::each;
  double scale = 1;
  bool operator==(const ModelReplacementSettings&) const = default;

  template <class V, class S>
  static void forms(V& v, S& s) {
    v.word(s.alpha, Alpha::full, "full");
    v.number(s.alpha, Alpha::each, s.scale, above(0));
    v.map(s.alpha, Alpha::shared, [&](auto& keys) {
      keys.field("shared", s.scale,
                 "the factor that the attackers of a round take together, each an equal part of it",
                 above(0));
    });
  }
};

/// Amplifies the update: ΔL ← α · ΔL with α given, or n / η ("full"), which replaces the global
/// model in one round if the other clients' updates nearly cancel and all hold equally many
/// samples. Running statistics are sent as they are, unless the attack says otherwise.
class ModelReplacement : public Attack {
 public:
  static constexpr const char* kName = "scale";
  static constexpr const char* kDescription =
      "model replacement: the factor alpha of the attackers' updates; full: participants / "
      "server_lr";
  static constexpr bool kAlways = true;
  using Settings = ModelReplacementSettings;

  explicit ModelReplacement(const ModelReplacementSettings& settings) : settings_(settings) {}
  ModelReplacement(const ModelReplacementSettings& settings, const AttackEnvironment& environment)
      : settings_(settings), statistics_(environment.amplify_statistics) {}
  static void check(const ModelReplacementSettings& settings, const AttackConditions& conditions);
  void edit_update(const ClientRound& round, UpdateRow& update) override;

 private:
  ModelReplacementSettings settings_;
  bool statistics_ = false;  ///< whether running statistics are amplified, too
};

}  // namespace redoubt
