// What an experiment says about the attack.
#pragma once

#include <optional>
#include <string>
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
  /// The attackers of a round share α: each of k takes α / k.
  bool shared = false;
  bool operator==(const ModelReplacementSettings&) const = default;
};

/// Malicious clients' own training; what is absent is as for everybody.
struct AttackerTraining {
  std::optional<int> epochs;
  std::optional<int> batch;  ///< at most everybody's
  std::optional<float> learning_rate;
  bool operator==(const AttackerTraining&) const = default;
};

/// The objective (1 - ρ) · loss + ρ · metric (Mi et al., the norm-evading attacker).
struct EvasionSettings {
  enum class Metric : std::uint8_t {
    l2,      ///< the squared L2 distance of the model from the global one
    cosine,  ///< 1 - the cosine of the update to the last global step, which is the mean update
             ///< that an attacker knows; nothing in the first round
  };
  Metric metric = Metric::l2;
  double rho = 0.5;
  bool operator==(const EvasionSettings&) const = default;
};

/// Training under the masks that pruning is expected to end with.
struct PruningAwareSettings {
  std::string layer = "last";
  double rate = 0.5;  ///< share of the layer's channels
  bool operator==(const PruningAwareSettings&) const = default;
};

/// Clamping the own weights of a conv layer to μ ± Δσ after each step.
struct SelfClipSettings {
  std::string layer = "last";
  double delta = 3;
  bool operator==(const SelfClipSettings&) const = default;
};

/// Plain poisoning: fl/attack/untargeted.h.
struct LabelFlipSettings {
  std::optional<int> victim;  ///< absent: every label y becomes classes - 1 - y
  int target = 1;
  bool operator==(const LabelFlipSettings&) const = default;
};
struct SignFlipSettings {
  double factor = 1;
  bool operator==(const SignFlipSettings&) const = default;
};
struct NoiseSettings {
  double deviation = 0.1;
  bool operator==(const NoiseSettings&) const = default;
};
struct LittleIsEnoughSettings {
  std::optional<double> shift;  ///< z; absent: the largest that hides
  bool omniscient = false;      ///< whether the attackers know the honest clients' updates
  bool operator==(const LittleIsEnoughSettings&) const = default;
};
struct InnerProductSettings {
  double epsilon = 1;
  bool omniscient = false;
  bool operator==(const InnerProductSettings&) const = default;
};
using UntargetedSettings = std::variant<LabelFlipSettings, SignFlipSettings, NoiseSettings,
                                        LittleIsEnoughSettings, InnerProductSettings>;

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
  AttackerTraining local;
  std::optional<EvasionSettings> evade;
  std::optional<double> project;  ///< longest update that is sent, as an L2 norm
  bool protect_channels = false;  ///< lie to the pruning defense
  std::optional<PruningAwareSettings> pruning_aware;
  std::optional<SelfClipSettings> self_clip;
  /// Instead of a backdoor: trigger, victim, target and poison then mean nothing.
  std::optional<UntargetedSettings> untargeted;
  /// Whether as many clients are drawn anew for each round; `clients` then is a number.
  bool redraw = false;
  int from_round = 1;           ///< first round of the attack
  std::optional<int> to_round;  ///< last round; absent: until the end, fine-tuning included
  bool operator==(const AttackSettings&) const = default;
};

}  // namespace redoubt
