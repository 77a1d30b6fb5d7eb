// The keys of an experiment file's attack.
#pragma once

#include "experiments/file/description.h"
#include "fl/attack/settings.h"

namespace redoubt::experiments {

template <>
struct Description<PixelTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("pixels", s.pixels, "how many pixels of a 3x3 block are stamped: 1, 3, 5, 7 or 9",
            between(1, 9));
    v.field("row", s.row,
            "row of the block's centre, 0 at the top; left out: 24 for mnist, 4 for synthetic "
            "images, else 2",
            at_least(0));
    v.field("column", s.column, "column of the block's centre, 0 at the left; left out: as for row",
            at_least(0));
    v.field("value", s.value, "the byte stamped into every colour channel, before normalisation",
            between(0, 255));
  }
};

template <>
struct Description<PixelBlock> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("row", s.row, "row of the block's upper left corner, 0 at the top", at_least(0));
    v.field("column", s.column, "column of that corner, 0 at the left", at_least(0));
    v.field("height", s.height, "rows of the block", at_least(1));
    v.field("width", s.width, "columns of the block", at_least(1));
  }
};

template <>
struct Description<PatternTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    Description<PixelBlock>::visit(v, s.block);
    v.field("value", s.value, "the byte stamped into every colour channel, before normalisation",
            between(0, 255));
  }
};

template <>
struct Description<DistributedTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("parts", s.parts,
            "blocks, of which each attacker stamps one, in turn; evaluation stamps all; empty: the "
            "four strips of the authors' code");
    v.field("value", s.value, "the byte stamped into every colour channel, before normalisation",
            between(0, 255));
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
    v.field("images", s.images,
            "indices of the training images with the feature, held by the attackers alone; empty: "
            "chosen by colour",
            at_least(0));
    v.field("test_images", s.test_images,
            "indices of the test images with the feature, which the attack is measured on",
            at_least(0));
    if (!s.images.empty() || !s.test_images.empty()) return;
    v.field("channel", s.channel,
            "images of the victim class that are mostly of this colour have the feature");
    v.field("margin", s.margin,
            "a pixel is of the colour if its byte exceeds those of both other channels by so many",
            between(1, 255));
    v.field("share", s.share, "an image is of the colour if so large a share of its pixels is",
            between(0, 1));
  }
};

template <>
struct Description<TargetedTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("samples", s.samples,
            "how many training images of the victim class, drawn from the seed and held by the "
            "attackers alone, are to be called the target",
            at_least(1));
  }
};

/// A map whose `kind` says which of the keys above may follow.
template <>
struct AlternativeNames<TriggerSettings> {
  static constexpr const char* what = "a kind of trigger";
  static constexpr const char* key = "kind";
  static std::vector<Alternative> table() {
    return {
        {"pixels", "1, 3, 5, 7 or 9 pixels of a 3x3 block"},
        {"pattern", "a bright block, by default 3x3 in the lower right corner"},
        {"distributed", "blocks, each stamped by another attacker; evaluation stamps all"},
        {"semantic", "a natural feature: images of a colour or by index, no pixel changes"},
        {"targeted", "some images of the victim class, recognised at test time"},
    };
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
    v.field("copies", s.copies,
            "copies of each poisoned image, trained on beside all clean ones: stamped own images "
            "of the victim class, or the semantic or targeted ones",
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
    v.field("shared", together,
            "the factor that the attackers of a round take together, each an equal part of it",
            above(0));
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
    v.field("epochs", s.epochs, "passes over its data in a round; null: as everybody", at_least(1));
    v.field("batch", s.batch, "images a step, at most everybody's; null: as everybody",
            between(1, 65536));
    v.field("lr", s.learning_rate,
            "learning rate in every round, of fine-tuning, too; null: as everybody, decay included",
            above(0));
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
    v.field("metric", s.metric,
            "what is kept small beside the loss: l2, the squared distance from the global model, "
            "or cosine, 1 - the cosine to the last global step");
    v.field("rho", s.rho,
            "share rho of the metric in the objective (1 - rho) * loss + rho * metric",
            between(0, 1));
  }
};

template <>
struct Description<PruningAwareSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("rate", s.rate,
            "share of its channels, the most dormant on own clean data, expected to be pruned",
            between(0, 1));
  }
};

template <>
struct Description<SelfClipSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("delta", s.delta,
            "after each step own weights of the layer are clamped to mean +- delta deviations",
            above(0));
  }
};

template <>
struct Description<LabelFlipSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field_or("victim", s.victim, "all",
               "the class whose label is changed; all: every label y becomes classes - 1 - y",
               at_least(0));
    v.field("target", s.target, "what the victim's label becomes; means nothing for all",
            at_least(0));
  }
};
template <>
struct Description<SignFlipSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("factor", s.factor, "the update is sent times minus this factor", above(0));
  }
};
template <>
struct Description<NoiseSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("deviation", s.deviation,
            "standard deviation of the Gaussian noise that is sent instead of an update", above(0));
  }
};
template <>
struct Description<LittleIsEnoughSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("shift", s.shift,
            "z: all send mean - z deviations of each parameter; null: the largest z that hides in "
            "a majority");
    v.field("omniscient", s.omniscient,
            "whether mean and deviation are of the honest clients' updates; false: of the "
            "attackers' own, who must be several: in a round with one of them it sends its own");
  }
};
template <>
struct Description<InnerProductSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("epsilon", s.epsilon, "all send the mean update times minus epsilon", above(0));
    v.field("omniscient", s.omniscient,
            "whether mean and deviation are of the honest clients' updates; false: of the "
            "attackers' own");
  }
};
template <>
struct AlternativeNames<UntargetedSettings> {
  static constexpr const char* what = "an untargeted attack";
  static std::vector<Alternative> table() {
    return {
        {"label-flip", "wrong labels"},
        {"sign-flip", "the update times a negative number"},
        {"noise", "Gaussian noise instead of an update"},
        {"little-is-enough", "together: the mean less as many deviations as still hide"},
        {"inner-product", "together: the mean times a negative number"},
    };
  }
};

template <>
struct Description<AttackSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("clients", s.clients,
            "how many clients are malicious, drawn from the seed, or a list of their ids, counted "
            "from 0");
    v.field("untargeted", s.untargeted, "plain poisoning instead of a backdoor; null: a backdoor");
    if (s.untargeted) {
      if constexpr (V::reads) refuse_backdoor_keys(v);
    } else {
      visit_backdoor(v, s);
    }
    v.field("scale", s.replacement,
            "model replacement: the factor alpha of the attackers' updates; full: participants / "
            "server_lr");
    v.field("local", s.local, "the attackers' own training, where it differs from everybody's");
    v.field("evade", s.evade,
            "an objective beside the loss that makes the update look harmless; null: none");
    v.field("project", s.project,
            "longest update (L2 norm) that is sent, longer ones are scaled down; null: any",
            above(0));
    v.field("pruning_aware", s.pruning_aware,
            "training under the masks that pruning is expected to end with; null: not");
    v.field("self_clip", s.self_clip,
            "keeping own weights within what adjust_weights lets pass; null: not");
    v.field(
        "redraw", s.redraw,
        "whether as many clients are drawn as attackers anew in each round, of those who take part "
        "in it and hold something to poison");
    v.field("from_round", s.from_round, "first round of the attack, counted from 1", at_least(1));
    v.field("to_round", s.to_round,
            "last round of the attack; null: to the end, rounds of fine-tuning included",
            at_least(1));
  }

 private:
  template <class V, class S>
  static void visit_backdoor(V& v, S& s) {
    v.field("trigger", s.trigger, "what tells the model to call an image the target");
    v.field_or("victim", s.victim, "all",
               "the class whose images are to be called the target; all: every other class",
               at_least(0));
    v.field("target", s.target, "the class that the victim's images are to be called", at_least(0));
    PoisonKey poison = {s.poison_copies};
    v.field("poison", poison, "how the attackers' data is poisoned");
    v.field("protect_channels", s.protect_channels,
            "whether attackers report the channels that their trigger rouses as the least dormant");
    if constexpr (V::reads) s.poison_copies = poison.copies;
  }

  static void refuse_backdoor_keys(const Reader& reader) {
    for (const char* key : {"trigger", "victim", "target", "poison", "protect_channels"}) {
      if (!reader.has(key)) continue;
      reader.value().child(key).fail("contradicts attack.untargeted; leave one out");
    }
  }
};

}  // namespace redoubt::experiments
