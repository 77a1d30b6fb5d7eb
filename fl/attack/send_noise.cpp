#include "fl/attack/send_noise.h"

#include "base/random.h"

namespace redoubt {

void SendNoise::edit_update(const ClientRound& round, UpdateRow& update) {
  RandomStream stream({.seed = seed_,
                       .purpose = Purpose::update_noise,
                       .client = static_cast<std::uint32_t>(round.client),
                       .round = static_cast<std::uint32_t>(round.round)});
  std::vector<float> noise(update.size);
  for (float& value : noise) value = static_cast<float>(settings_.deviation * stream.normal());
  for (const ColumnRange& range : update.columns()) {
    update.context.copy_to_device(update.values + range.offset, noise.data() + range.offset,
                                  range.size * sizeof(float));
  }
}

}  // namespace redoubt
