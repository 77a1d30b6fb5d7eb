// Who attacks, and when.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "fl/attack/settings.h"

namespace redoubt {

/// Rounds, both ends included.
struct RoundWindow {
  int from = 1;
  int to = std::numeric_limits<int>::max();
  bool contains(int round) const { return round >= from && round <= to; }
};

/// The rounds in which attackers act.
RoundWindow window_of(const AttackSettings& settings);

/// How many attack, in a round if they are redrawn.
std::size_t attacker_count(const AttackSettings& settings);

/// The ids of the malicious clients among `clients`, ascending: as listed, or that many drawn from
/// (seed, attacker_choice). Throws InputError for ids or numbers out of range.
std::vector<int> choose_attackers(const AttackSettings& settings, int clients, std::uint64_t seed);

/// Those who attack in a round, ascending: as many as the settings say, drawn anew for each round
/// from the `candidates` who take part in it (both ascending ids); all of these if they are fewer.
std::vector<int> redraw_attackers(const AttackSettings& settings, std::span<const int> candidates,
                                  std::span<const int> participants, std::uint64_t seed, int round);

/// The population that attackers are part of.
struct AttackedPopulation {
  int clients = 0;
  std::optional<int> clients_per_round = {};  ///< absent: all
  std::uint64_t seed = 0;
  std::vector<int> candidates =
      {};  ///< if attackers are redrawn: ids of those who may be, ascending
};

/// The attackers of an experiment.
class Attackers {
 public:
  Attackers(const AttackSettings& settings, const AttackedPopulation& population);

  /// Those who attack in some round, ascending.
  const std::vector<int>& ids() const { return ids_; }
  bool attack(int client, int round) const;
  /// Of a client among all attackers; 0 where they are redrawn.
  int place(int client) const;

 private:
  AttackSettings settings_;
  AttackedPopulation population_;
  RoundWindow window_;
  std::vector<int> ids_;
};

}  // namespace redoubt
