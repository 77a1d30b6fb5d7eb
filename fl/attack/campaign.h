// The attack of an experiment: who attacks when, and by which methods.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "fl/attack/attackers.h"

namespace redoubt {

/// What the settings say, one method after the other: poisoning, then those of the list.
class Campaign : public AttackSequence {
 public:
  /// `backdoor`: absent where the attack is untargeted. `beside`: an attack from outside that acts
  /// last; usually none. The environment must outlive the campaign.
  Campaign(const AttackSettings& settings, const AttackedPopulation& population,
           const std::optional<Backdoor>& backdoor, const AttackEnvironment& environment,
           std::shared_ptr<Attack> beside = nullptr);

  const Attackers& attackers() const { return attackers_; }
  bool acts(int client, int round) const override { return attackers_.attack(client, round); }

 protected:
  ClientRound seen(const ClientRound& round) const override;

 private:
  Attackers attackers_;
};

/// Gives the attackers of a population their attack, which all of them share.
void corrupt(std::vector<Client>& population, const std::shared_ptr<Campaign>& campaign);

}  // namespace redoubt
