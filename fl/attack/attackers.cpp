#include "fl/attack/attackers.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/random.h"
#include "fl/client_sampling.h"

namespace redoubt {

namespace {

/// `count` of the ids, drawn from (seed, attacker_choice, round), ascending.
std::vector<int> draw(std::vector<int> ids, int count, std::uint64_t seed, int round) {
  RandomStream stream({.seed = seed,
                       .purpose = Purpose::attacker_choice,
                       .round = static_cast<std::uint32_t>(round)});
  stream.shuffle(std::span(ids));
  ids.resize(count);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

std::vector<int> choose_attackers(const AttackSettings& settings, int clients, std::uint64_t seed) {
  std::vector<int> ids;
  if (const auto* listed = std::get_if<std::vector<int>>(&settings.clients)) {
    ids = *listed;
    std::sort(ids.begin(), ids.end());
    const bool twice = std::adjacent_find(ids.begin(), ids.end()) != ids.end();
    if (twice || (!ids.empty() && (ids.front() < 0 || ids.back() >= clients))) {
      throw InputError("attack.clients lists a client twice or one that is not in 0 to " +
                       std::to_string(clients - 1));
    }
    return ids;
  }
  const int count = std::get<int>(settings.clients);
  if (count < 0 || count > clients) {
    throw InputError("attack.clients is " + std::to_string(count) + "; there are " +
                     std::to_string(clients) + " clients");
  }
  ids.resize(clients);
  std::iota(ids.begin(), ids.end(), 0);
  return draw(ids, count, seed, 0);
}

std::vector<int> redraw_attackers(const AttackSettings& settings, std::span<const int> candidates,
                                  std::span<const int> participants, std::uint64_t seed,
                                  int round) {
  std::vector<int> able;
  std::set_intersection(candidates.begin(), candidates.end(), participants.begin(),
                        participants.end(), std::back_inserter(able));
  const int count = std::min(std::get<int>(settings.clients), static_cast<int>(able.size()));
  return draw(std::move(able), count, seed, round);
}

std::size_t attacker_count(const AttackSettings& settings) {
  const auto* listed = std::get_if<std::vector<int>>(&settings.clients);
  return listed != nullptr ? listed->size()
                           : static_cast<std::size_t>(std::get<int>(settings.clients));
}

RoundWindow window_of(const AttackSettings& settings) {
  return {.from = settings.from_round, .to = settings.to_round.value_or(RoundWindow().to)};
}

Attackers::Attackers(const AttackSettings& settings, const AttackedPopulation& population)
    : settings_(settings),
      population_(population),
      window_(window_of(settings)),
      ids_(settings.redraw ? population.candidates
                           : choose_attackers(settings, population.clients, population.seed)) {}

bool Attackers::attack(int client, int round) const {
  if (!window_.contains(round)) return false;
  const auto among = [client](const std::vector<int>& ids) {
    return std::binary_search(ids.begin(), ids.end(), client);
  };
  if (!settings_.redraw) return among(ids_);
  const std::vector<int> participants =
      sample_clients(population_.clients, population_.clients_per_round, population_.seed, round);
  return among(redraw_attackers(settings_, ids_, participants, population_.seed, round));
}

int Attackers::place(int client) const {
  if (settings_.redraw) return 0;
  return static_cast<int>(std::lower_bound(ids_.begin(), ids_.end(), client) - ids_.begin());
}

}  // namespace redoubt
