// Pixel triggers: what a backdoor's author stamps on an image.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/keys.h"
#include "engine/shape.h"
#include "kernels/gather.h"

namespace redoubt {

/// A trigger overwrites bytes of an image; see kernels::TriggerPixel for the offsets.
struct Trigger {
  std::vector<kernels::TriggerPixel> pixels;
  bool operator==(const Trigger&) const = default;
};

/// No image is larger; sums of places stay far from what an int holds.
inline constexpr int kFarthestPixel = 65535;

struct PixelTriggerSettings {
  /// 1, 3, 5, 7 or 9 (Wu et al. 2020, Fig. 1): within the 3x3 block centred on (row, column), the
  /// centre; a diagonal; a diagonal cross; the cross and the middle row; the whole block. Each
  /// contains the one before.
  int pixels = 1;
  int row = 24;     ///< 0 is the top
  int column = 24;  ///< 0 is the left
  int value = 255;  ///< the byte stamped into every channel
  bool operator==(const PixelTriggerSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("pixels", s.pixels, "how many pixels of a 3x3 block are stamped: 1, 3, 5, 7 or 9",
            between(1, 9));
    v.field("row", s.row,
            "row of the block's centre, 0 at the top; left out: 24 for mnist, 4 for synthetic "
            "images, else 2",
            between(0, kFarthestPixel));
    v.field("column", s.column, "column of the block's centre, 0 at the left; left out: as for row",
            between(0, kFarthestPixel));
    v.field("value", s.value, "the byte stamped into every colour channel, before normalisation",
            between(0, 255));
  }
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

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("row", s.row, "row of the block's upper left corner, 0 at the top",
            between(0, kFarthestPixel));
    v.field("column", s.column, "column of that corner, 0 at the left", between(0, kFarthestPixel));
    v.field("height", s.height, "rows of the block", between(1, kFarthestPixel));
    v.field("width", s.width, "columns of the block", between(1, kFarthestPixel));
  }
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
  std::span<const kernels::TriggerPixel> pixels_of(int trigger) const;
};

/// How much of images a trigger changes.
struct TriggerEffect {
  std::int64_t images = 0;   ///< looked at
  std::int64_t changed = 0;  ///< of which any byte is another under the trigger
  std::int64_t bytes = 0;    ///< that are another, in all of them
  std::int64_t sum = 0;      ///< of their absolute differences

  void add(std::span<const std::uint8_t> image, std::span<const kernels::TriggerPixel> pixels);
  /// Of a byte that changes.
  double mean_change() const {
    return bytes == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(bytes);
  }
};

}  // namespace redoubt
