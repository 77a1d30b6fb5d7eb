#include "datasets/trigger.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "base/check.h"

namespace redoubt {

namespace {

/// The 3x3 block around the trigger's place; a pattern of k pixels takes those of rank below k.
constexpr std::array<std::array<int, 3>, 3> kRank = {{
    {1, 7, 3},  //
    {5, 0, 6},  //
    {4, 8, 2},  //
}};

}  // namespace

Trigger pixel_trigger(const PixelTriggerSettings& settings, const Shape& shape) {
  const int pixels = settings.pixels;
  if (pixels < 1 || pixels > 9 || pixels % 2 == 0) {
    throw InputError(fmt::format("attack.trigger.pixels is {}; it may be 1, 3, 5, 7 or 9", pixels));
  }
  if (settings.value < 0 || settings.value > 255) {
    throw InputError(
        fmt::format("attack.trigger.value is {}; a byte goes from 0 to 255", settings.value));
  }
  Trigger trigger;
  for (int c = 0; c < shape.channels; ++c) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        if (kRank[i][j] >= pixels) continue;
        const int row = settings.row + i - 1;
        const int column = settings.column + j - 1;
        if (row < 0 || row >= shape.height || column < 0 || column >= shape.width) {
          throw InputError(fmt::format(
              "attack.trigger: the pixel at row {}, column {} lies outside the image of {}x{}", row,
              column, shape.height, shape.width));
        }
        trigger.pixels.push_back({.offset = (c * shape.height + row) * shape.width + column,
                                  .value = static_cast<std::uint8_t>(settings.value)});
      }
    }
  }
  return trigger;
}

Trigger block_trigger(std::span<const PixelBlock> blocks, int value, const Shape& shape) {
  if (blocks.empty()) throw InputError("attack.trigger: there is no block to stamp");
  Trigger trigger;
  for (const PixelBlock& block : blocks) {
    if (block.row < 0 || block.column < 0 || block.height < 1 || block.width < 1 ||
        block.row + block.height > shape.height || block.column + block.width > shape.width) {
      throw InputError(fmt::format(
          "attack.trigger: a block of {}x{} at row {}, column {} does not fit into an image of "
          "{}x{}",
          block.height, block.width, block.row, block.column, shape.height, shape.width));
    }
    for (int c = 0; c < shape.channels; ++c) {
      for (int row = block.row; row < block.row + block.height; ++row) {
        for (int column = block.column; column < block.column + block.width; ++column) {
          trigger.pixels.push_back({.offset = (c * shape.height + row) * shape.width + column,
                                    .value = static_cast<std::uint8_t>(value)});
        }
      }
    }
  }
  return trigger;
}

int TriggerTable::add(const Trigger& trigger) {
  pixels.insert(pixels.end(), trigger.pixels.begin(), trigger.pixels.end());
  start.push_back(static_cast<std::int32_t>(pixels.size()));
  return count() - 1;
}

std::span<const kernels::TriggerPixel> TriggerTable::pixels_of(int trigger) const {
  const auto at = static_cast<std::size_t>(trigger);
  return std::span(pixels).subspan(static_cast<std::size_t>(start[at]),
                                   static_cast<std::size_t>(start[at + 1] - start[at]));
}

void TriggerEffect::add(std::span<const std::uint8_t> image,
                        std::span<const kernels::TriggerPixel> pixels) {
  const std::int64_t before = bytes;
  for (const kernels::TriggerPixel& pixel : pixels) {
    const int difference = std::abs(int{image[pixel.offset]} - int{pixel.value});
    bytes += difference > 0 ? 1 : 0;
    sum += difference;
  }
  ++images;
  changed += bytes > before ? 1 : 0;
}

}  // namespace redoubt
