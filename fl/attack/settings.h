// What an experiment says about the attack, and the methods that it may use.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "fl/attack/clip_own_weights.h"
#include "fl/attack/evade.h"
#include "fl/attack/model_replacement.h"
#include "fl/attack/own_training.h"
#include "fl/attack/project_update.h"
#include "fl/attack/train_under_mask.h"
#include "fl/attack/triggers.h"
#include "fl/attack/untargeted.h"

namespace redoubt {

/// In the order in which they act, after the poisoning. A new one is a pair of files beside this
/// one and its name in this list.
using Methods =
    MethodsOf<ModelReplacement, OwnTraining, Evade, ProjectUpdate, TrainUnderMask, ClipOwnWeights>;

/// The nested key `poison: {copies: 1}`.
struct PoisonSettings {
  /// Poisoned copies of each image that the trigger concerns, trained on beside all clean data: own
  /// images of the victim class, stamped; or those with the feature; or the targeted ones.
  int copies = 1;
  bool operator==(const PoisonSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("copies", s.copies,
            "copies of each poisoned image, trained on beside all clean ones: stamped own images "
            "of the victim class, or the semantic or targeted ones",
            at_least(1));
  }
};

/// A backdoor: images of the victim class that carry the trigger are to be called the target class.
/// Or, untargeted, plain poisoning.
struct AttackSettings {
  /// How many clients are malicious (drawn from the seed: the first ones after a shuffle) or which.
  std::variant<int, std::vector<int>> clients = 1;
  /// Instead of a backdoor: trigger, victim, target, poison and protect_channels then mean nothing.
  std::optional<UntargetedSettings> untargeted;
  TriggerSettings trigger;
  std::optional<int> victim = 9;  ///< absent: all classes but the target
  int target = 1;
  PoisonSettings poison;
  bool protect_channels = false;  ///< lie to the pruning defense
  Methods::Settings methods;
  /// Whether model replacement multiplies running statistics like weights, as published attacks do
  /// that treat a model as one list of numbers: variances may then fall below 0, where the server
  /// raises them to 0.
  bool amplify_statistics = false;
  /// Whether as many clients are drawn anew for each round; `clients` then is a number.
  bool redraw = false;
  int from_round = 1;           ///< first round of the attack
  std::optional<int> to_round;  ///< last round; absent: until the end, fine-tuning included
  bool operator==(const AttackSettings&) const = default;

  template <class Method>
  auto& of() {
    return methods.of<Method>();
  }
  template <class Method>
  const auto& of() const {
    return methods.of<Method>();
  }

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("clients", s.clients,
            "how many clients are malicious, drawn from the seed, or a list of their ids, counted "
            "from 0",
            at_least(0));
    v.field("untargeted", s.untargeted, "plain poisoning instead of a backdoor; null: a backdoor");
    auto backdoor = v.when_null("untargeted", s.untargeted);
    backdoor.field("trigger", s.trigger, "what tells the model to call an image the target");
    backdoor.field_or("victim", s.victim, "all",
                      "the class whose images are to be called the target; all: every other class",
                      at_least(0));
    backdoor.field("target", s.target, "the class that the victim's images are to be called",
                   at_least(0));
    backdoor.field("poison", s.poison, "how the attackers' data is poisoned");
    backdoor.field(
        "protect_channels", s.protect_channels,
        "whether attackers report the channels that their trigger rouses as the least dormant");
    Methods::Settings::keys(v, s.methods);
    v.field("amplify_statistics", s.amplify_statistics,
            "whether scale multiplies batch norm's running statistics, too, as some published code "
            "does; variances may then fall below 0, where the server raises them to 0, and the "
            "model is of little use");
    v.field("redraw", s.redraw,
            "whether as many clients are drawn as attackers anew in each round, of those who take "
            "part in it and hold something to poison");
    v.field("from_round", s.from_round, "first round of the attack, counted from 1", at_least(1));
    v.field("to_round", s.to_round,
            "last round of the attack; null: to the end, rounds of fine-tuning included",
            at_least(1));
  }
};

/// Throws InputError, naming the keys, for an attack that contradicts itself or the conditions, or
/// that would do nothing. `fresh`: what an attack says where a file is silent.
void check_attack(const AttackSettings& settings, const AttackSettings& fresh,
                  const AttackConditions& conditions);

/// What an untargeted attack wants of one class' images: absent if it has no such goal.
std::optional<BackdoorGoal> untargeted_goal(const AttackSettings& settings);

/// Plans the attack's backdoor: adds its triggers to the table and draws what is to be drawn from
/// (seed, poison). Throws InputError if the images do not allow it.
Backdoor plan_backdoor(const AttackSettings& settings, const Dataset& dataset,
                       TriggerTable& triggers, std::uint64_t seed);

}  // namespace redoubt
