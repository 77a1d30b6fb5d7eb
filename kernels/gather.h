// From bytes to a batch: picks images, stamps triggers, normalises and lays out [C][H][W][N], in
// one pass. Every data-poisoning attack is an edit of the list of samples.
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

/// One element of a batch.
struct Sample {
  std::int32_t image = -1;    ///< index into the image set; -1: padding (zeros, label -1)
  std::int16_t trigger = -1;  ///< index into the triggers; -1: none
  std::int16_t label = -1;    ///< the label trained or tested on, which may be a lie

  bool operator==(const Sample&) const = default;
};

/// One byte that a trigger overwrites.
struct TriggerPixel {
  std::int32_t offset = 0;  ///< (channel · height + row) · width + column
  std::uint8_t value = 255;

  bool operator==(const TriggerPixel&) const = default;
};

/// What a model makes of an image's bytes before they are normalised: those below `lowest` or above
/// `highest` count as these.
struct ByteRange {
  std::uint8_t lowest = 0;
  std::uint8_t highest = 255;

  bool operator==(const ByteRange&) const = default;
};

/// Images as bytes [count][C][H][W] in device memory, and what to do with them.
struct ImageSource {
  const std::uint8_t* images = nullptr;
  int count = 0;
  int channels = 1;
  int height = 1;
  int width = 1;
  /// [C] each, in device memory: value = (byte / 255 - mean) / deviation.
  const float* mean = nullptr;
  const float* deviation = nullptr;
  /// Trigger t owns pixels [trigger_start[t], trigger_start[t + 1]).
  const TriggerPixel* trigger_pixels = nullptr;
  const std::int32_t* trigger_start = nullptr;
  int trigger_count = 0;
  ByteRange range = {};  ///< that bytes are clamped to

  /// The same images under another range.
  ImageSource within(const ByteRange& bytes) const {
    ImageSource source = *this;
    source.range = bytes;
    return source;
  }
};

/// output [R][C][H][W][N] and labels [R][N] from samples [R][N]. The trigger is stamped on the
/// bytes, so before they are limited to the range and normalised. Throws std::logic_error for an
/// image or trigger out of range (CPU; CUDA does not look).
void gather(Context& context, const ImageSource& source, int replicas, int batch,
            Replicas<const Sample> samples, Replicas<float> output, Replicas<std::int32_t> labels);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::gather) gather;
}  // namespace cuda

}  // namespace redoubt::kernels
