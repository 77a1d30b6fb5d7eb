#include "fl/attack/method.h"

#include <fmt/format.h>

namespace redoubt {

void AttackConditions::need_class(const std::string& key, int label) const {
  if (label < classes) return;
  throw InputError(fmt::format("{} is {}; classes go from 0 to {}", key, label, classes - 1));
}

void AttackConditions::need_goal(const std::string& keys, const std::optional<int>& victim,
                                 int target) const {
  need_class(keys + "target", target);
  if (!victim) return;
  need_class(keys + "victim", *victim);
  if (*victim == target) {
    throw InputError(fmt::format("{0}victim and {0}target are both {1}", keys, target));
  }
}

}  // namespace redoubt
