// Attackers who know the defense: they keep their update inconspicuous (Mi et al., the norm-evading
// attacker; Bagdasaryan et al. 2020, section 4.3) or their backdoor out of reach of pruning and of
// adjusted weights (Wu et al. 2020, section VI-C).
#pragma once

#include "fl/attack/settings.h"
#include "fl/client.h"

namespace redoubt {

/// Malicious clients' own epochs, batch and learning rate.
class OwnTraining : public Behaviour {
 public:
  OwnTraining(RoundWindow window, const AttackerTraining& settings)
      : Behaviour(window), settings_(settings) {}
  void edit_training(const ClientRound& round, LocalTraining& training) const override;

 private:
  AttackerTraining settings_;
};

/// Minimises (1 - ρ) · loss + ρ · metric.
class Evade : public Behaviour {
 public:
  Evade(RoundWindow window, const EvasionSettings& settings)
      : Behaviour(window), settings_(settings) {}
  void edit_objective(const ClientRound& round, Objective& objective) const override;
  bool needs_last_step() const override;

 private:
  EvasionSettings settings_;
};

/// Scales the update down to length `norm` if it is longer (fl/update_matrix.h), after everything
/// else.
class ProjectUpdate : public Behaviour {
 public:
  ProjectUpdate(RoundWindow window, double norm) : Behaviour(window), norm_(norm) {}
  void edit_update(const ClientRound& round, UpdateRow& update) const override;

 private:
  double norm_;
};

/// Asked which channels are dormant, names last, and votes last for, those that its poisoned images
/// rouse most beyond its clean ones.
class ProtectChannels : public Behaviour {
 public:
  /// `poisoned`: the attacker's samples under its trigger.
  ProtectChannels(RoundWindow window, std::vector<kernels::Sample> poisoned)
      : Behaviour(window), poisoned_(std::move(poisoned)) {}
  void edit_dormancy(const ClientRound& round, const DormancyQuestion& question,
                     DormancyReport& report) const override;

 private:
  std::vector<kernels::Sample> poisoned_;
};

/// Trains under the masks that it expects pruning to end with: the share of a layer's channels that
/// are most dormant on its own clean data under the global model.
class TrainUnderMask : public Behaviour {
 public:
  TrainUnderMask(RoundWindow window, const PruningAwareSettings& settings)
      : Behaviour(window), settings_(settings) {}
  void edit_mask(const ClientRound& round, const ActivityQuestion& question,
                 std::span<float> mask) const override;

 private:
  PruningAwareSettings settings_;
};

/// Clamps its own weights of a conv layer to μ ± Δσ after each step, so that no extreme ones are
/// left to be found.
class ClipOwnWeights : public Behaviour {
 public:
  ClipOwnWeights(RoundWindow window, const SelfClipSettings& settings)
      : Behaviour(window), settings_(settings) {}
  void edit_objective(const ClientRound& round, Objective& objective) const override;

 private:
  SelfClipSettings settings_;
};

}  // namespace redoubt
