#include "kernels/gemm.h"

#include <dnnl.h>
#include <omp.h>

#include <stdexcept>
#include <string>

namespace redoubt::kernels {

namespace {

/// oneDNN takes its threads from OpenMP. Ours take whole replicas, so a product may not start more.
void use_one_thread() {
  thread_local const bool done = [] {
    omp_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

void gemm(Context& context, const GemmShape& shape, Replicas<const float> a,
          Replicas<const float> b, Replicas<float> c) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::gemm(context, shape, a, b, c);
  }
  use_one_thread();
  const char transpose_a = shape.transpose_a ? 'T' : 'N';
  const char transpose_b = shape.transpose_b ? 'T' : 'N';
  for (int r = 0; r < shape.replicas; ++r) {
    const dnnl_status_t status =
        dnnl_sgemm(transpose_a, transpose_b, shape.rows, shape.columns, shape.inner, 1.0F, a[r],
                   shape.a_stride, b[r], shape.b_stride, 0.0F, c[r], shape.c_stride);
    if (status != dnnl_success) {
      throw std::logic_error("dnnl_sgemm(" + std::to_string(shape.rows) + " x " +
                             std::to_string(shape.columns) + " x " + std::to_string(shape.inner) +
                             ") failed with status " + std::to_string(status));
    }
  }
}

}  // namespace redoubt::kernels
