// How many images wide a pass is computed.
#pragma once

#include <algorithm>
#include <cstddef>

namespace redoubt {

/// A multiple of what a processor's widest register takes at once, images beyond `images` being
/// padding; at most `most`.
inline int pass_width(std::size_t images, int most) {
  constexpr std::size_t kTogether = 16;  // floats
  const std::size_t blocks = (std::max<std::size_t>(images, 1) + kTogether - 1) / kTogether;
  return static_cast<int>(std::min(blocks * kTogether, static_cast<std::size_t>(most)));
}

}  // namespace redoubt
