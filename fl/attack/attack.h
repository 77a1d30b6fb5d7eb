// Who attacks, and how: from an experiment's settings to the behaviours of malicious clients.
#pragma once

#include <optional>
#include <vector>

#include "fl/attack/backdoor.h"
#include "fl/attack/settings.h"
#include "fl/client.h"

namespace redoubt {

/// The ids of the malicious clients of a round among `clients`, ascending: as listed, or that many
/// drawn from (seed, attacker_choice), once or anew for each round. Throws InputError for ids or
/// numbers out of range.
std::vector<int> choose_attackers(const AttackSettings& settings, int clients, std::uint64_t seed,
                                  int round = 1);

/// The rounds in which attackers act.
RoundWindow window_of(const AttackSettings& settings);

/// What attackers need to know.
struct AttackPlan {
  std::uint64_t seed = 0;
  int classes = 10;
  std::optional<Backdoor> backdoor = {};  ///< absent where the attack is untargeted
};

/// Gives the attackers of a population their behaviours.
void corrupt(std::vector<Client>& population, const AttackSettings& settings,
             const AttackPlan& plan);

/// Throws InputError, naming the keys, for settings that contradict one another.
void check_attack_settings(const AttackSettings& settings, const AttackSettings& fresh);

}  // namespace redoubt
