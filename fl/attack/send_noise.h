// Noise instead of an update (Blanchard et al. 2017, section 5.1).
#pragma once

#include "fl/attack/method.h"

namespace redoubt {

struct NoiseSettings {
  double deviation = 0.1;
  bool operator==(const NoiseSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("deviation", s.deviation,
            "standard deviation of the Gaussian noise that is sent instead of an update", above(0));
  }
};

/// Sends Gaussian noise of deviation σ, drawn from (seed, update_noise, client, round); running
/// statistics are its own.
class SendNoise : public Attack {
 public:
  static constexpr const char* kName = "noise";
  static constexpr const char* kDescription = "Gaussian noise instead of an update";
  using Settings = NoiseSettings;

  SendNoise(const NoiseSettings& settings, const AttackEnvironment& environment)
      : settings_(settings), seed_(environment.seed) {}
  void edit_update(const ClientRound& round, UpdateRow& update) override;

 private:
  NoiseSettings settings_;
  std::uint64_t seed_;
};

}  // namespace redoubt
