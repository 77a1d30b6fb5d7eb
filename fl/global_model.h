// The model that a federation trains.
#pragma once

#include <span>
#include <vector>

#include "engine/buffer.h"
#include "engine/executor.h"
#include "engine/network.h"

namespace redoubt {

/// One row of parameters and one row of channel masks, on the device, and how it reads images.
struct GlobalModel {
  Buffer<float> row;
  Buffer<float> mask;              ///< 1: heard, 0: pruned
  kernels::ByteRange inputs = {};  ///< what it hears of an image
  /// [row] 0: a weight that was set to 0 and stays so, whoever trains; 1: any other. Empty: there
  /// is none.
  Buffer<float> kept = {};

  /// Nothing pruned or limited.
  GlobalModel(const Network& network, std::span<const float> parameters, Device device)
      : row(device, parameters),
        mask(device, std::span<const float>(std::vector<float>(
                         static_cast<std::size_t>(network.layout().mask_size()), 1.0F))) {}

  bool keeps_zeros() const { return kept.count() > 0; }
  /// Null if there is none.
  const float* kept_or_null() const { return keeps_zeros() ? kept.data() : nullptr; }
  /// From now on these columns of the row stay 0, which they are.
  void keep_at_zero(std::span<const std::int64_t> columns);

  /// The model itself, as the only variant.
  ModelVariants variant() const {
    return {.parameters = {row.data(), 0}, .masks = {mask.data(), 0}, .inputs = {inputs}};
  }
};

}  // namespace redoubt
