#include "fl/attack/flip_sign.h"

namespace redoubt {

void FlipSign::edit_update(const ClientRound& /*round*/, UpdateRow& update) {
  scale(update, -settings_.factor);
}

}  // namespace redoubt
