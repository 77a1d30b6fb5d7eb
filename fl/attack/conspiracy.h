// What attackers who agree on one row share.
#pragma once

#include <vector>

#include "engine/buffer.h"
#include "fl/attack/attack.h"

namespace redoubt {

struct AttackConditions;

/// An attack whose attackers send what they agree on, whatever each had trained.
class Conspiracy : public Attack {
 public:
  bool needs_whole_round() const override { return true; }
};

/// [clients] 1 for each row that the attackers know: the honest clients' if they are omniscient, or
/// else their own. Those that are not finite are of no use to them.
std::vector<double> known_rows(const RoundUpdates& updates, bool omniscient);

/// How many rows that is.
double count_of(const std::vector<double>& known);

/// All attackers send this row; running statistics are each one's own.
void send_all(const RoundUpdates& updates, const Buffer<float>& row);

/// Throws InputError where nobody is honest whom they could know.
void need_honest_clients(bool omniscient, const AttackConditions& conditions);

}  // namespace redoubt
