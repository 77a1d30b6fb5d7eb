// Which register tiles (tiles.h) this machine can run, and how rows are cut into them.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/tiles.h"

namespace redoubt::kernels {

/// The widest first; the last one runs on any machine.
const std::vector<const Tiles*>& available_tiles();

/// The widest.
inline const Tiles& tiles() { return *available_tiles().front(); }

/// Rows of a product cut into tiles of nearly equal height, each at most the instruction set's.
struct RowTiles {
  int rows;
  int tiles;
  RowTiles(int row_count, int max_rows)
      : rows(row_count), tiles((row_count + max_rows - 1) / max_rows) {}
  int first(int tile) const { return tile * (rows / tiles) + std::min(tile, rows % tiles); }
  int height(int tile) const { return rows / tiles + (tile < rows % tiles ? 1 : 0); }
};

}  // namespace redoubt::kernels
