// Products of matrices, one a replica.
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

/// All matrices are row-major; a stride is the distance between rows in floats.
struct GemmShape {
  int replicas = 1;
  int rows = 0;     ///< of op(A) and C
  int columns = 0;  ///< of op(B) and C
  int inner = 0;    ///< columns of op(A), rows of op(B)
  bool transpose_a = false;
  bool transpose_b = false;
  int a_stride = 0;
  int b_stride = 0;
  int c_stride = 0;
};

/// C[r] = op(A[r]) · op(B[r]) for every replica. Overwrites C, which may not overlap A or B.
/// A shared B (pitch 0) is allowed, and so is a shared A; C's pitch may not be 0 unless replicas
/// is 1.
void gemm(Context& context, const GemmShape& shape, Replicas<const float> a,
          Replicas<const float> b, Replicas<float> c);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::gemm) gemm;
}  // namespace cuda

}  // namespace redoubt::kernels
