// Federated fine-tuning (Wu et al. 2020, section IV-B): rounds of training under the masks, which
// win back the accuracy that pruning cost. The attacker still is among the clients.
#pragma once

#include "base/keys.h"
#include "defense/stage.h"

namespace redoubt {

/// Federated fine-tuning (section IV-B): training rounds under the masks, the attacker still among
/// the clients.
struct FineTuneSettings {
  int rounds = 10;
  std::optional<float> learning_rate = {};  ///< absent: what the training rounds ended with
  bool operator==(const FineTuneSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("rounds", s.rounds, "rounds of training under the masks, attackers included",
            between(1, 1e6));
    v.field("lr", s.learning_rate, "local learning rate; null: what training ended with", above(0));
  }
};

class FineTune : public Stage {
 public:
  static constexpr const char* kName = "fine_tune";
  static constexpr const char* kDescription = "rounds of training under the masks";
  using Settings = FineTuneSettings;

  explicit FineTune(const FineTuneSettings& settings) : settings_(settings) {}
  std::string name() const override { return kName; }
  static int rounds_of(const FineTuneSettings& settings) { return settings.rounds; }
  int rounds() const override { return settings_.rounds; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  FineTuneSettings settings_;
};

}  // namespace redoubt
