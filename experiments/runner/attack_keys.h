// The keys of an experiment file's attack.
#pragma once

#include "experiments/runner/description.h"
#include "fl/attack/settings.h"

namespace redoubt::runner {

template <>
struct Description<PixelTriggerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    std::string kind = "pixels";
    v.field("kind", kind, "what the trigger is");
    if constexpr (V::reads) {
      if (kind != "pixels")
        v.value().child("kind").fail("found \"" + kind + "\"; it may be pixels");
    }
    v.field("pixels", s.pixels, "how many: 1, 3, 5, 7 or 9", between(1, 9));
    v.field("row", s.row, "of the trigger's centre, 0 at the top", at_least(0));
    v.field("column", s.column, "of the trigger's centre, 0 at the left", at_least(0));
    v.field("value", s.value, "the byte stamped", between(0, 255));
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

/// `attack.clients`: a number or a list of ids.
using AttackerChoice = std::variant<int, std::vector<int>>;
template <>
struct Description<AttackerChoice> {
  static void write(YAML::Emitter& emitter, const AttackerChoice& choice);
};
template <>
void read(const YamlValue& value, AttackerChoice& to, const Limits& limits);

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
    v.field_or("scale", s.replacement.scale, "full", "model replacement: times the update",
               above(0));
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
