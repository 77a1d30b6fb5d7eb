// What an experiment says about the attack.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "datasets/trigger.h"

namespace redoubt {

/// The pattern backdoor (Mi et al., section 5.1): a bright block, by default in the lower right
/// corner of a 28x28 image.
struct PatternTriggerSettings {
  PixelBlock block = {.row = 22, .column = 22, .height = 3, .width = 3};
  int value = 255;  ///< the byte stamped into every channel
  bool operator==(const PatternTriggerSettings&) const = default;
};

/// The distributed backdoor (Xie et al. 2020, "DBA: distributed backdoor attacks against federated
/// learning"): the trigger is cut into parts, each attacker stamps its own, evaluation stamps all.
struct DistributedTriggerSettings {
  /// Attackers take the parts in turn. Empty: distributed_parts().
  std::vector<PixelBlock> parts;
  int value = 255;
  bool operator==(const DistributedTriggerSettings&) const = default;
};

/// The four strips of the DBA authors' code: 1x6 for images of 32 rows and more, else 1x4, in rows
/// 0 and 4 (else 3) from columns 0 and 9 (else 6).
std::vector<PixelBlock> distributed_parts(const Shape& shape);

/// The semantic backdoor (Bagdasaryan et al. 2020, section 4.1): a natural feature is the trigger
/// and no pixel changes. Attackers train on the training images that have it, labelled as the
/// target; nobody else holds them. The attack is measured on the test images that have it.
struct SemanticTriggerSettings {
  enum class Channel : std::uint8_t { red, green, blue };
  /// The images that have the feature, by index; if both are empty, those of the victim class that
  /// are mostly of one colour.
  std::vector<int> images;
  std::vector<int> test_images;
  Channel channel = Channel::green;
  /// A pixel is of the colour if this channel's byte exceeds both others by so many ...
  int margin = 10;
  /// ... and an image if so large a share of its pixels is.
  double share = 0.3;
  bool operator==(const SemanticTriggerSettings&) const = default;
};

/// The targeted backdoor (Mi et al., section 5.1; Bhagoji et al. 2019): so many images of the
/// victim class, drawn from the training split and held by the attackers alone, are to be called
/// the target. The attack is measured on these very images.
struct TargetedTriggerSettings {
  int samples = 30;
  bool operator==(const TargetedTriggerSettings&) const = default;
};

using TriggerSettings =
    std::variant<PixelTriggerSettings, PatternTriggerSettings, DistributedTriggerSettings,
                 SemanticTriggerSettings, TargetedTriggerSettings>;

/// How the update is amplified so that it survives averaging (Bagdasaryan et al. 2020, "model
/// replacement"; Wu et al. 2020, section III).
struct ModelReplacementSettings {
  /// α; absent: full, participants / server_lr, which replaces the global model in one round where
  /// all participants hold equally many samples.
  std::optional<double> scale = 1.0;
  /// The attackers share α: each of k takes α / k.
  bool shared = false;
  bool operator==(const ModelReplacementSettings&) const = default;
};

/// A backdoor: images of the victim class that carry the trigger are to be called the target class.
struct AttackSettings {
  /// How many clients are malicious (drawn from the seed: the first ones after a shuffle) or which.
  std::variant<int, std::vector<int>> clients = 1;
  TriggerSettings trigger;
  std::optional<int> victim = 9;  ///< absent: all classes but the target
  int target = 1;
  /// Poisoned copies of each image that the trigger concerns, trained on beside all clean data: own
  /// images of the victim class, stamped; or those with the feature; or the targeted ones.
  int poison_copies = 1;
  ModelReplacementSettings replacement;
  int from_round = 1;           ///< first round of the attack
  std::optional<int> to_round;  ///< last round; absent: until the end, fine-tuning included
  bool operator==(const AttackSettings&) const = default;
};

}  // namespace redoubt
