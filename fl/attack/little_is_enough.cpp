#include "fl/attack/little_is_enough.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fl/attack/attackers.h"
#include "kernels/columns.h"

namespace redoubt {

namespace {

/// A z up to which it is none: its search ends some 1e-12 beside 0.
constexpr double kNoShift = 1e-9;

/// Φ⁻¹ by halving: z of Φ(z) = probability.
double normal_quantile(double probability) {
  double low = -10;
  double high = 10;
  while (high - low > 1e-12) {
    const double z = (low + high) / 2;
    (std::erfc(-z / std::sqrt(2.0)) / 2 < probability ? low : high) = z;
  }
  return low;
}

}  // namespace

double largest_hidden_shift(int clients, int malicious) {
  const int supporters = clients / 2 + 1 - malicious;
  const int honest = clients - malicious;
  if (honest <= 0) return 0;
  const double share = static_cast<double>(honest - supporters) / honest;
  return normal_quantile(std::clamp(share, 1e-6, 1 - 1e-6));
}

void LittleIsEnough::edit_updates(const RoundUpdates& updates) {
  const double z = settings_.shift.value_or(
      largest_hidden_shift(updates.shape.rows, static_cast<int>(updates.attackers.size())));
  const std::vector<double> known = known_rows(updates, settings_.omniscient);
  if (count_of(known) == 0) return;
  Buffer<float> row(updates.context.device(), updates.shape.columns);
  kernels::shifted_mean_columns(updates.context, updates.shape, known, -z, updates.matrix,
                                row.data());
  send_all(updates, row);
}

void LittleIsEnough::check(const LittleIsEnoughSettings& settings,
                           const AttackConditions& conditions) {
  const int attackers = static_cast<int>(attacker_count(conditions.attack));
  if (!settings.omniscient && attackers == 1) {
    throw InputError(
        "attack.untargeted is little-is-enough with attack.clients 1: a single attacker's updates "
        "deviate from nothing; take more, or omniscient: true");
  }
  need_honest_clients(settings.omniscient, conditions);
  if (settings.shift || attackers == 0) return;
  if (conditions.clients_per_round) return;  // another number of attackers in each round
  const double shift = largest_hidden_shift(conditions.clients, attackers);
  if (shift > kNoShift) return;
  throw InputError(
      fmt::format("attack.untargeted is little-is-enough: {} of {} clients can hide no shift that "
                  "does harm (z is {:.2f}); set shift, or take more attackers",
                  attackers, conditions.clients, std::abs(shift) <= kNoShift ? 0.0 : shift));
}

}  // namespace redoubt
