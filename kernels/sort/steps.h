// Programs of steps (kernels/tiles.h) that sort the rows of a column or bring some of them to their
// places.
#pragma once

#include <vector>

#include "kernels/tiles.h"

namespace redoubt::kernels {

using SortSteps = std::vector<SortStep>;

/// Sorts rows [0, rows): Batcher's odd-even merge sort (Knuth, The Art of Computer Programming,
/// volume 3, section 5.2.2) over runs of 16, in registers wherever 16, 8 or 4 rows belong together.
SortSteps sorting_steps(int rows);

/// Puts the `trim` least values into the first rows and the `trim` greatest into the last, all in
/// any order: two runs are sorted, and of two sorted runs the k least are the lesser of the i-th of
/// one and the (k - 1 - i)-th of the other, for i < k. Where the runs are too short for that,
/// everything is sorted. 2 · trim < rows.
SortSteps trimming_steps(int rows, int trim);

/// Puts the rows / 2 lesser values, of an odd number one more, into the first rows, in any order.
SortSteps halving_steps(int rows);

}  // namespace redoubt::kernels
