// Pixel triggers: what a backdoor's author stamps on an image.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/shape.h"
#include "kernels/gather.h"

namespace redoubt {

/// A trigger overwrites bytes of an image; see kernels::TriggerPixel for the offsets.
struct Trigger {
  std::vector<kernels::TriggerPixel> pixels;
  bool operator==(const Trigger&) const = default;
};

struct PixelTriggerSettings {
  /// 1, 3, 5, 7 or 9 (Wu et al. 2020, Fig. 1): within the 3x3 block centred on (row, column), the
  /// centre; a diagonal; a diagonal cross; the cross and the middle row; the whole block. Each
  /// contains the one before.
  int pixels = 1;
  int row = 24;     ///< 0 is the top
  int column = 24;  ///< 0 is the left
  int value = 255;  ///< the byte stamped into every channel
  bool operator==(const PixelTriggerSettings&) const = default;
};

/// Throws InputError if a pixel lies outside the image or a setting is out of range.
Trigger pixel_trigger(const PixelTriggerSettings& settings, const Shape& shape);

/// A rectangle of pixels.
struct PixelBlock {
  int row = 0;  ///< of its upper left corner
  int column = 0;
  int height = 1;
  int width = 1;
  bool operator==(const PixelBlock&) const = default;
};

/// The byte `value` in every channel of the blocks. Throws InputError if there is no block, or one
/// that reaches over the image's edge.
Trigger block_trigger(std::span<const PixelBlock> blocks, int value, const Shape& shape);

/// Triggers laid end to end as gather() wants them.
struct TriggerTable {
  std::vector<kernels::TriggerPixel> pixels;
  std::vector<std::int32_t> start = {0};  ///< one more than there are triggers

  /// Appends a trigger and returns its index.
  int add(const Trigger& trigger);
  int count() const { return static_cast<int>(start.size()) - 1; }
};

}  // namespace redoubt
