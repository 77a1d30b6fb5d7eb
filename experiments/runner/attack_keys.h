// The keys of an experiment file's attack.
#pragma once

#include "experiments/runner/description.h"
#include "fl/attack/settings.h"

namespace redoubt::runner {

template <>
struct Description<PixelTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("pixels", s.pixels, "how many: 1, 3, 5, 7 or 9", between(1, 9));
    v.field("row", s.row, "of the trigger's centre, 0 at the top", at_least(0));
    v.field("column", s.column, "of the trigger's centre, 0 at the left", at_least(0));
    v.field("value", s.value, "the byte stamped", between(0, 255));
  }
};

template <>
struct Description<PixelBlock> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("row", s.row, "of the upper left corner", at_least(0));
    v.field("column", s.column, "of the upper left corner", at_least(0));
    v.field("height", s.height, "rows", at_least(1));
    v.field("width", s.width, "columns", at_least(1));
  }
};

template <>
struct Description<PatternTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    Description<PixelBlock>::visit(v, s.block);
    v.field("value", s.value, "the byte stamped", between(0, 255));
  }
};

template <>
struct Description<DistributedTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("parts", s.parts, "blocks that attackers stamp in turn; empty: four strips");
    v.field("value", s.value, "the byte stamped", between(0, 255));
  }
};

template <>
struct EnumNames<SemanticTriggerSettings::Channel> {
  using Channel = SemanticTriggerSettings::Channel;
  static constexpr Names<Channel, 3> names = {
      {{"red", Channel::red}, {"green", Channel::green}, {"blue", Channel::blue}}};
};
template <>
struct Description<SemanticTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("images", s.images, "training images with the feature; empty: chosen by colour",
            at_least(0));
    v.field("test_images", s.test_images, "test images with the feature", at_least(0));
    if (!s.images.empty() || !s.test_images.empty()) return;
    v.field("channel", s.channel, "colour of the victim class's images that are meant");
    v.field("margin", s.margin, "a pixel is of the colour if it exceeds the others by so many",
            between(1, 255));
    v.field("share", s.share, "an image is if so large a share of its pixels is", between(0, 1));
  }
};

template <>
struct Description<TargetedTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("samples", s.samples, "images that are to be called the target", at_least(1));
  }
};

/// A map whose `kind` says which of the keys above may follow.
template <>
struct AlternativeNames<TriggerSettings> {
  static constexpr const char* what = "a kind of trigger";
  static constexpr const char* key = "kind";
  static std::vector<std::string> names() {
    return {"pixels", "pattern", "distributed", "semantic", "targeted"};
  }
};

/// The nested key `poison: {copies: 1}`.
struct PoisonKey {
  int copies = 1;
};
template <>
struct Description<PoisonKey> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("copies", s.copies, "stamped copies of each own image of the victim class",
            at_least(0));
  }
};

/// `scale: 3`, `scale: full`, or `scale: {shared: 50}`.
template <>
struct Description<ModelReplacementSettings> {
  static void shorthand(const YamlValue& value, ModelReplacementSettings& to);
  static void write(YAML::Emitter& emitter, const ModelReplacementSettings& settings);
  template <class V, class S>
  static void visit(V& v, S& s) {
    double together = s.scale.value_or(1);
    v.field("shared", together, "what all attackers scale by together", above(0));
    s = {.scale = together, .shared = true};
  }
};

/// `attack.clients`: a number or a list of ids.
using AttackerChoice = std::variant<int, std::vector<int>>;
template <>
struct Description<AttackerChoice> {
  static void write(YAML::Emitter& emitter, const AttackerChoice& choice);
};
template <>
void read(const YamlValue& value, AttackerChoice& to, const Limits& limits);

template <>
struct Description<AttackerTraining> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("epochs", s.epochs, "null: as everybody", at_least(1));
    v.field("batch", s.batch, "null: as everybody; at most that", between(1, 65536));
    v.field("lr", s.learning_rate, "null: as everybody", above(0));
  }
};

template <>
struct EnumNames<EvasionSettings::Metric> {
  using Metric = EvasionSettings::Metric;
  static constexpr Names<Metric, 2> names = {{{"l2", Metric::l2}, {"cosine", Metric::cosine}}};
};
template <>
struct Description<EvasionSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("metric", s.metric, "what is kept small beside the loss");
    v.field("rho", s.rho, "its share of the objective", between(0, 1));
  }
};

template <>
struct Description<PruningAwareSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer, or last");
    v.field("rate", s.rate, "share of its channels expected to be pruned", between(0, 1));
  }
};

template <>
struct Description<SelfClipSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer, or last");
    v.field("delta", s.delta, "own weights are clamped to so many deviations", above(0));
  }
};

template <>
struct Description<LabelFlipSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field_or("victim", s.victim, "all", "the class whose label is changed; all: every one",
               at_least(0));
    v.field("target", s.target, "into this", at_least(0));
  }
};
template <>
struct Description<SignFlipSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("factor", s.factor, "the update is sent times minus this", above(0));
  }
};
template <>
struct Description<NoiseSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("deviation", s.deviation, "of the Gaussian noise sent", above(0));
  }
};
template <>
struct Description<LittleIsEnoughSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("shift", s.shift, "z, in deviations; null: the largest that hides");
    v.field("omniscient", s.omniscient, "whether honest updates are known");
  }
};
template <>
struct Description<InnerProductSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("epsilon", s.epsilon, "the mean is sent times minus this", above(0));
    v.field("omniscient", s.omniscient, "whether honest updates are known");
  }
};
template <>
struct AlternativeNames<UntargetedSettings> {
  static constexpr const char* what = "an untargeted attack";
  static std::vector<std::string> names() {
    return {"label-flip", "sign-flip", "noise", "little-is-enough", "inner-product"};
  }
};

template <>
struct Description<AttackSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("clients", s.clients, "how many are malicious, or a list of client ids");
    v.field("trigger", s.trigger, "what is stamped on an image");
    v.field_or("victim", s.victim, "all", "the class that is to be called the target", at_least(0));
    v.field("target", s.target, "what it is to be called", at_least(0));
    PoisonKey poison = {s.poison_copies};
    v.field("poison", poison, "how the attacker's data is poisoned");
    v.field("scale", s.replacement, "model replacement: times the update");
    v.field("local", s.local, "the attackers' own training");
    v.field("evade", s.evade, "an objective beside the loss; null: none");
    v.field("project", s.project, "the longest update sent; null: any", above(0));
    v.field("protect_channels", s.protect_channels, "whether they lie to the pruning defense");
    v.field("pruning_aware", s.pruning_aware, "training under the expected masks; null: not");
    v.field("self_clip", s.self_clip, "clamping their own weights; null: not");
    v.field("untargeted", s.untargeted, "plain poisoning instead of a backdoor; null: none");
    v.field("redraw", s.redraw, "whether other clients are malicious in each round");
    v.field("from_round", s.from_round, "first round of the attack", at_least(1));
    v.field("to_round", s.to_round, "last round; null: to the end, fine-tuning included",
            at_least(1));
    if constexpr (V::reads) s.poison_copies = poison.copies;
  }
};

/// What an attack starts from where the file is silent: triggers work at different places in
/// different data sets (they must reach the last conv layer).
AttackSettings default_attack(const std::string& dataset);

}  // namespace redoubt::runner
