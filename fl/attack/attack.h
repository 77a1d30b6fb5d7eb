// Who attacks, and how: from an experiment's settings to the behaviours of malicious clients.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "fl/attack/backdoor.h"
#include "fl/attack/settings.h"
#include "fl/client.h"

namespace redoubt {

/// How many attack, in a round if they are redrawn.
std::size_t attacker_count(const AttackSettings& settings);

/// The ids of the malicious clients among `clients`, ascending: as listed, or that many drawn from
/// (seed, attacker_choice). Throws InputError for ids or numbers out of range.
std::vector<int> choose_attackers(const AttackSettings& settings, int clients, std::uint64_t seed);

/// Those who attack in a round, ascending: as many as the settings say, drawn anew for each round
/// from the `candidates` who take part in it (both ascending ids); all of these if they are fewer.
std::vector<int> redraw_attackers(const AttackSettings& settings, std::span<const int> candidates,
                                  std::span<const int> participants, std::uint64_t seed, int round);

/// The rounds in which attackers act.
RoundWindow window_of(const AttackSettings& settings);

/// What attackers need to know.
struct AttackPlan {
  std::uint64_t seed = 0;
  int classes = 10;
  std::optional<Backdoor> backdoor = {};  ///< absent where the attack is untargeted
  std::vector<int> candidates = {};  ///< ids of those who may be drawn, if attackers are redrawn
  std::optional<int> clients_per_round = {};  ///< absent: all
};

/// Gives the attackers of a population their behaviours.
void corrupt(std::vector<Client>& population, const AttackSettings& settings,
             const AttackPlan& plan);

/// Throws InputError, naming the keys, for settings that contradict one another.
void check_attack_settings(const AttackSettings& settings, const AttackSettings& fresh);

}  // namespace redoubt
