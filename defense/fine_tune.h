// Federated fine-tuning (Wu et al. 2020, section IV-B): rounds of training under the masks, which
// win back the accuracy that pruning cost. The attacker still is among the clients.
#pragma once

#include "defense/stage.h"

namespace redoubt {

class FineTune : public Stage {
 public:
  explicit FineTune(const FineTuneSettings& settings) : settings_(settings) {}
  std::string name() const override { return "fine_tune"; }
  int rounds() const override { return settings_.rounds; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  FineTuneSettings settings_;
};

}  // namespace redoubt
