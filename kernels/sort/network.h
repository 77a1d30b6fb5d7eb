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

/// The values that are nearest to a column's median, as they are added up: those nearer than the
/// last one that counts, and those as far away as it, on either side, which share the places that
/// are left. So a column and its negative have opposite means.
struct NearMedian {
  double median = 0;
  double farthest = 0;  ///< distance of the last that counts
  double nearer = 0;    ///< Σ of values
  double tied = 0;      ///< likewise
  int nearer_count = 0;
  int tied_count = 0;

  REDOUBT_HOST_DEVICE double distance(double value) const {
    return value > median ? value - median : median - value;
  }
  REDOUBT_HOST_DEVICE void add(double value) {
    const double far = distance(value);
    const bool is_nearer = far < farthest;
    const bool is_tied = far == farthest;
    nearer += is_nearer ? value : 0;
    tied += is_tied ? value : 0;
    nearer_count += is_nearer ? 1 : 0;
    tied_count += is_tied ? 1 : 0;
  }
  REDOUBT_HOST_DEVICE float mean(int keep) const {
    const double share = static_cast<double>(keep - nearer_count) / tied_count;
    return static_cast<float>((nearer + share * tied) / keep);
  }
};

/// The mean of the `keep` of `count` sorted values value(i) that are nearest to their median, of an
/// even number the mean of the middle two.
template <class Value>
REDOUBT_HOST_DEVICE float mean_near_median(int count, int keep, const Value& value) {
  const auto at = [&](int i) { return static_cast<double>(value(i)); };
  NearMedian near;
  near.median = (at((count - 1) / 2) + at(count / 2)) / 2;
  // Places [first, end) hold the nearest so far.
  int first = count / 2;
  int end = first;
  while (end - first < keep) {
    const bool below =
        first > 0 && (end == count || near.median - at(first - 1) <= at(end) - near.median);
    first -= below ? 1 : 0;
    end += below ? 0 : 1;
    near.farthest = near.distance(below ? at(first) : at(end - 1));
  }
  while (first > 0 && near.distance(at(first - 1)) == near.farthest) --first;
  while (end < count && near.distance(at(end)) == near.farthest) ++end;
  for (int i = first; i < end; ++i) near.add(at(i));
  return near.mean(keep);
}

}  // namespace redoubt::kernels
