// The pixel backdoor by data poisoning and model replacement (Wu et al. 2020, section III;
// Bagdasaryan et al. 2020, sections 4.1 and 4.2).
#pragma once

#include <optional>
#include <vector>

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

/// The ids of the malicious clients among `clients`: as listed, or that many drawn from (seed,
/// attacker_choice), ascending. Throws InputError for ids or numbers out of range.
std::vector<int> choose_attackers(const AttackSettings& settings, int clients, std::uint64_t seed);

/// Gives the attackers of a population their behaviours.
void corrupt(std::vector<Client>& population, const std::vector<int>& attackers,
             const AttackSettings& settings, const BackdoorGoal& goal);

/// The samples that measure the attack: every test image of the victim class (or of every class but
/// the target) stamped and labelled as the target. The share "classified correctly" is the attack
/// success rate. `labels` are the test labels, `first_image` the source's index of test image 0.
std::vector<kernels::Sample> stamped_test_samples(std::span<const std::uint8_t> labels,
                                                  int first_image, const BackdoorGoal& goal);

}  // namespace redoubt
