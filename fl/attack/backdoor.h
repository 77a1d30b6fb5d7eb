// Backdoors by data poisoning (Wu et al. 2020, section III; Bagdasaryan et al. 2020, section 4.1).
#pragma once

#include <optional>
#include <vector>

#include "fl/attack/attack.h"

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
  /// What it would be without the trigger, labelled as the target: the same images unstamped; where
  /// nothing is stamped, the victim's test images that do not have the feature.
  std::vector<kernels::Sample> baseline = {};

  /// The goal of the attacker who is `place`-th among them: the whole trigger, or its part.
  BackdoorGoal goal_of(int place) const;
};

/// Trains on all clean data and, beside it, on `copies` copies of poisoned samples: own images of
/// the victim class, stamped and relabelled, or, where nothing is stamped, the images that
/// attackers alone hold, labelled as the target.
class PoisonSamples : public Attack {
 public:
  PoisonSamples(const Backdoor& backdoor, int copies) : backdoor_(backdoor), copies_(copies) {}
  void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) override;

 private:
  Backdoor backdoor_;
  int copies_;
};

/// Asked which channels are dormant, names last, and votes last for, those that its poisoned images
/// rouse most beyond its clean ones (Wu et al. 2020, section VI-C).
class ProtectChannels : public Attack {
 public:
  explicit ProtectChannels(const Backdoor& backdoor) : backdoor_(backdoor) {}
  void edit_dormancy(const ClientRound& round, const DormancyQuestion& question,
                     DormancyReport& report) override;

 private:
  Backdoor backdoor_;
};

/// Every test image of the victim class (or of every class but the target) stamped and labelled as
/// the target. The share "classified correctly" is the attack success rate. `labels` are the test
/// labels, `first_image` the source's index of test image 0.
std::vector<kernels::Sample> stamped_test_samples(std::span<const std::uint8_t> labels,
                                                  int first_image, const BackdoorGoal& goal);

}  // namespace redoubt
