// Which clients take part in a round.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace redoubt {

/// Ids, ascending: all of 0..clients-1, or `clients_per_round` (at most as many) of them drawn from
/// (seed, client_sampling, round).
std::vector<int> sample_clients(int clients, std::optional<int> clients_per_round,
                                std::uint64_t seed, int round);

}  // namespace redoubt
