// Backdoors by data poisoning and model replacement (Wu et al. 2020, section III; Bagdasaryan et
// al. 2020, sections 4.1 and 4.2).
#pragma once

#include <optional>
#include <vector>

#include "datasets/dataset.h"
#include "fl/attack/settings.h"
#include "fl/client.h"

namespace redoubt {

/// What the attacker wants: images of the victim class under the trigger are to be called the
/// target.
struct BackdoorGoal {
  int trigger = 0;            ///< index into the trigger table
  std::optional<int> victim;  ///< absent: every class but the target
  int target = 1;

  bool is_victim(int label) const { return victim ? label == *victim : label != target; }
};

/// A backdoor in a data set.
struct Backdoor {
  BackdoorGoal goal;
  /// Triggers that the attackers stamp on their own images, each in turn one; empty if none is.
  std::vector<int> stamps = {};
  /// Training images that the attackers alone hold and train on as the target, ascending.
  std::vector<int> images = {};
  /// What the attack is measured on, labelled as the target; never an image of that class.
  std::vector<kernels::Sample> evaluation = {};
};

/// Plans a backdoor: adds its triggers to the table and draws what is to be drawn from (seed,
/// poison). Throws InputError if the images do not allow it. Images of the source are the training
/// split followed by the test split.
Backdoor plan_backdoor(const AttackSettings& settings, const Dataset& dataset,
                       TriggerTable& triggers, std::uint64_t seed);

/// Trains on all clean data and, beside it, on `copies` stamped and relabelled copies of each own
/// image of the victim class.
class PoisonSamples : public Behaviour {
 public:
  PoisonSamples(RoundWindow window, const BackdoorGoal& goal, int copies)
      : Behaviour(window), goal_(goal), copies_(copies) {}
  void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) const override;

 private:
  BackdoorGoal goal_;
  int copies_;
};

/// Trains on all clean data and, beside it, on `copies` copies of samples that only attackers hold.
class AddSamples : public Behaviour {
 public:
  AddSamples(RoundWindow window, std::vector<kernels::Sample> extra, int copies)
      : Behaviour(window), extra_(std::move(extra)), copies_(copies) {}
  void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) const override;

 private:
  std::vector<kernels::Sample> extra_;
  int copies_;
};

/// Amplifies the update: ΔL ← α · ΔL with α given, or n / η ("full"), which replaces the global
/// model in one round if the other clients' updates nearly cancel and all hold equally many
/// samples.
class ModelReplacement : public Behaviour {
 public:
  ModelReplacement(RoundWindow window, const ModelReplacementSettings& settings)
      : Behaviour(window), settings_(settings) {}
  void edit_update(const ClientRound& round, UpdateRow& update) const override;

 private:
  ModelReplacementSettings settings_;
};

/// Every test image of the victim class (or of every class but the target) stamped and labelled as
/// the target. The share "classified correctly" is the attack success rate. `labels` are the test
/// labels, `first_image` the source's index of test image 0.
std::vector<kernels::Sample> stamped_test_samples(std::span<const std::uint8_t> labels,
                                                  int first_image, const BackdoorGoal& goal);

}  // namespace redoubt
