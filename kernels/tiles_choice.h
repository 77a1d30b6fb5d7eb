// Which register tiles (tiles.h) this machine can run.
#pragma once

#include <vector>

#include "kernels/tiles.h"

namespace redoubt::kernels {

/// The widest first; the last one runs on any machine.
const std::vector<const Tiles*>& available_tiles();

/// The widest.
inline const Tiles& tiles() { return *available_tiles().front(); }

}  // namespace redoubt::kernels
