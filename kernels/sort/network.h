// Batcher's odd-even merge sort (Knuth, The Art of Computer Programming, volume 3, section 5.2.2,
// algorithm M): which places are compared and exchanged does not depend on the values, so any
// number of columns is sorted in step.
#pragma once

#include "kernels/view.h"

namespace redoubt::kernels {

/// Calls exchange(i, j) with i < j for every comparison, in order, that sorts `count` values into
/// ascending order when exchange puts the lesser of values i and j at i. About
/// count · log₂²(count) / 4 comparisons.
template <class Exchange>
REDOUBT_HOST_DEVICE constexpr void sorting_network(int count, const Exchange& exchange) {
  int top = 1;
  while (top < count) top *= 2;
  for (int p = top / 2; p > 0; p /= 2) {
    int q = top / 2;
    int r = 0;
    for (int d = p;; d = q - p, q /= 2, r = p) {
      for (int i = 0; i + d < count; ++i) {
        if ((i & p) == r) exchange(i, i + d);
      }
      if (q == p) break;
    }
  }
}

/// The first of `keep` places in a row, of `count` sorted values value(i), that hold those nearest
/// to the median value(count / 2), the lesser of two equally near.
template <class Value>
REDOUBT_HOST_DEVICE int nearest_to_median(int count, int keep, const Value& value) {
  const float median = value(count / 2);
  int first = count / 2;
  int last = count / 2;
  while (last - first + 1 < keep) {
    const bool below =
        first > 0 && (last + 1 == count || median - value(first - 1) <= value(last + 1) - median);
    if (below) {
      --first;
    } else {
      ++last;
    }
  }
  return first;
}

}  // namespace redoubt::kernels
