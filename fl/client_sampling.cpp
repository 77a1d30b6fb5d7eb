#include "fl/client_sampling.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "base/random.h"

namespace redoubt {

std::vector<int> sample_clients(int clients, std::optional<int> clients_per_round,
                                std::uint64_t seed, int round) {
  std::vector<int> ids(clients);
  std::iota(ids.begin(), ids.end(), 0);
  if (!clients_per_round) return ids;
  RandomStream stream({.seed = seed,
                       .purpose = Purpose::client_sampling,
                       .round = static_cast<std::uint32_t>(round)});
  stream.shuffle(std::span(ids));
  ids.resize(*clients_per_round);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace redoubt
