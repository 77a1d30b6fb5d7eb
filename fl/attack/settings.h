// What an experiment says about the attack.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "datasets/trigger.h"

namespace redoubt {

/// How the update is amplified so that it survives averaging (Bagdasaryan et al. 2020, "model
/// replacement"; Wu et al. 2020, section III).
struct ModelReplacementSettings {
  /// α; absent: full, participants / server_lr, which replaces the global model in one round where
  /// all participants hold equally many samples.
  std::optional<double> scale = 1.0;
  bool operator==(const ModelReplacementSettings&) const = default;
};

/// A backdoor: images of the victim class that carry the trigger are to be called the target class.
struct AttackSettings {
  /// How many clients are malicious (drawn from the seed: the first ones after a shuffle) or which.
  std::variant<int, std::vector<int>> clients = 1;
  PixelTriggerSettings trigger;
  std::optional<int> victim = 9;  ///< absent: all classes but the target
  int target = 1;
  /// Stamped and relabelled copies of each own image of the victim class, trained on beside all
  /// clean data.
  int poison_copies = 1;
  ModelReplacementSettings replacement;
  int from_round = 1;           ///< first round of the attack
  std::optional<int> to_round;  ///< last round; absent: until the end, fine-tuning included
  bool operator==(const AttackSettings&) const = default;
};

}  // namespace redoubt
