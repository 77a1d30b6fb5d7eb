// What every kind of partition starts from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace redoubt {

/// Something the attack needs of a partition: these clients hold images of this label.
struct HoldsLabel {
  std::vector<int> clients;
  int label = 0;
};

/// The images of each client.
using ImageLists = std::vector<std::vector<int>>;

/// The images that are dealt out, and to whom.
struct Deal {
  std::span<const std::uint8_t> labels;  ///< [images] of all there are
  int classes;
  std::span<const int> pool;  ///< indices into `labels`
  int clients;
  const HoldsLabel& required;

  bool is_required(int client) const {
    return std::find(required.clients.begin(), required.clients.end(), client) !=
           required.clients.end();
  }
};

/// Exchanges one image for one until each required client holds the required label; counts stay.
/// Throws InputError if there are too few images of it.
void exchange_images(const Deal& deal, ImageLists& clients);

}  // namespace redoubt
