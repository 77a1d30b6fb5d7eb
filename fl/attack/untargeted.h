// Plain poisoning: attackers who want the model to be bad rather than to know their trigger.
#pragma once

#include "fl/attack/settings.h"
#include "fl/client.h"

namespace redoubt {

/// Trains on wrong labels (Tolpegin et al. 2020): the victim's images are called the target, or, if
/// there is no victim, every label y becomes classes - 1 - y (Fang et al. 2020).
class FlipLabels : public Behaviour {
 public:
  FlipLabels(RoundWindow window, const LabelFlipSettings& settings, int classes)
      : Behaviour(window), settings_(settings), classes_(classes) {}
  void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) const override;

 private:
  LabelFlipSettings settings_;
  int classes_;
};

/// Sends its update times -factor.
class FlipSign : public Behaviour {
 public:
  FlipSign(RoundWindow window, const SignFlipSettings& settings)
      : Behaviour(window), factor_(settings.factor) {}
  void edit_update(const ClientRound& round, UpdateRow& update) const override;

 private:
  double factor_;
};

/// Sends Gaussian noise of deviation σ instead of its update (Blanchard et al. 2017, section 5.1),
/// drawn from (seed, update_noise, client, round); running statistics are its own.
class SendNoise : public Behaviour {
 public:
  SendNoise(RoundWindow window, const NoiseSettings& settings, std::uint64_t seed)
      : Behaviour(window), deviation_(settings.deviation), seed_(seed) {}
  void edit_update(const ClientRound& round, UpdateRow& update) const override;

 private:
  double deviation_;
  std::uint64_t seed_;
};

/// A little is enough (Baruch, Baruch, Goldberg 2019, algorithm 3): all attackers send μ - z · σ of
/// each column, over what they would have sent honestly, or over the honest clients' updates if
/// they know them; where they know none that is finite, each sends its own. Without a z, the
/// largest that still hides: Φ(z) = (n - m - s) / (n - m), with s = ⌊n / 2 + 1⌋ - m supporters
/// needed of n clients of whom m are malicious.
class LittleIsEnough : public Coalition {
 public:
  explicit LittleIsEnough(const LittleIsEnoughSettings& settings) : settings_(settings) {}
  void edit_updates(Context& context, const CoalitionUpdates& updates) const override;

 private:
  LittleIsEnoughSettings settings_;
};

/// z_max of the above.
double largest_hidden_shift(int clients, int malicious);

/// Inner-product manipulation (Xie, Koyejo, Gupta 2020, "Fall of empires"): all attackers send -ε
/// times the mean of the others' updates, or of their own honest ones if they do not know those;
/// where they know none that is finite, each sends its own.
class ManipulateInnerProduct : public Coalition {
 public:
  explicit ManipulateInnerProduct(const InnerProductSettings& settings) : settings_(settings) {}
  void edit_updates(Context& context, const CoalitionUpdates& updates) const override;

 private:
  InnerProductSettings settings_;
};

}  // namespace redoubt
