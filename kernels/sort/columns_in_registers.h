// Order statistics of columns that fit into a thread's registers. Included by .cu files only.
#pragma once

#include "kernels/columns.h"

namespace redoubt::kernels::cuda {

/// What is taken of a sorted column: `keep` values, those nearest to the median or those after the
/// first `trim`. A median is a trimmed mean of one or two values.
struct Reduction {
  enum Kind { trimmed_mean, median, near_median };
  Kind kind = trimmed_mean;
  int trim = 0;
  int keep = 0;
};

/// Returns false, and does nothing, if the columns are too long for that.
bool reduce_columns_in_registers(Context& context, const MatrixShape& shape,
                                 const Reduction& reduction, Replicas<const float> matrix,
                                 float* output);

}  // namespace redoubt::kernels::cuda
