// Malicious clients' own epochs, batch and learning rate.
#pragma once

#include "fl/attack/method.h"

namespace redoubt {

/// Malicious clients' own training; what is absent is as for everybody.
struct AttackerTraining {
  std::optional<int> epochs;
  std::optional<int> batch;  ///< at most everybody's
  std::optional<float> learning_rate;
  bool operator==(const AttackerTraining&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("epochs", s.epochs, "passes over its data in a round; null: as everybody", at_least(1));
    v.field("batch", s.batch, "images a step, at most everybody's; null: as everybody",
            between(1, 65536));
    v.field("lr", s.learning_rate,
            "learning rate in every round, of fine-tuning, too; null: as everybody, decay included",
            above(0));
  }
};

/// Trains as it says, else as everybody.
class OwnTraining : public Attack {
 public:
  static constexpr const char* kName = "local";
  static constexpr const char* kDescription =
      "the attackers' own training, where it differs from everybody's";
  static constexpr bool kAlways = true;
  using Settings = AttackerTraining;

  explicit OwnTraining(const AttackerTraining& settings) : settings_(settings) {}
  static void check(const AttackerTraining& settings, const AttackConditions& conditions);
  void edit_training(const ClientRound& round, LocalTraining& training) override;

 private:
  AttackerTraining settings_;
};

}  // namespace redoubt
