// Order statistics of each column of a fleet's matrix [rows x columns]: one row a client. Values
// must be finite. Sorting rounds nothing and sums are taken in double, so results do not depend on
// threads, and of a median or of the values nearest to it not on the device either; a trimmed
// mean's values are added in ascending order on CUDA and in the order of a selection network on a
// CPU.
#pragma once

#include "kernels/rows.h"

namespace redoubt::kernels {

/// output[j] = mean of column j without its `trim` least and `trim` greatest values; 2 · trim must
/// be below rows. With trim = (rows - 1) / 2 that is the median, of an even number of rows the mean
/// of the middle two (Yin et al. 2018, definitions 1 and 2).
void trimmed_mean_columns(Context& context, const MatrixShape& shape, int trim,
                          Replicas<const float> matrix, float* output);

/// output[j] = mean of the `keep` values of column j that lie nearest to its median, of an even
/// number of rows the mean of the middle two (El Mhamdi et al. 2018, section 4, for Bulyan). Values
/// equally far away share the last places, so that a matrix and its negative have opposite results.
void mean_near_median_columns(Context& context, const MatrixShape& shape, int keep,
                              Replicas<const float> matrix, float* output);

/// output[j] = μ_j + shift · σ_j, the mean and the population's deviation of column j by those
/// weights, in double (Baruch et al. 2019, algorithm 3). Rows of weight 0 are not looked at, NaN or
/// not; there is at least one other.
void shifted_mean_columns(Context& context, const MatrixShape& shape,
                          std::span<const double> weights, double shift,
                          Replicas<const float> matrix, float* output);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::trimmed_mean_columns) trimmed_mean_columns;
decltype(kernels::shifted_mean_columns) shifted_mean_columns;
decltype(kernels::mean_near_median_columns) mean_near_median_columns;
}  // namespace cuda

}  // namespace redoubt::kernels
