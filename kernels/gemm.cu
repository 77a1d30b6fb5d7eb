// Products on CUDA: cuBLAS, all replicas in one call.
#include "kernels/gemm.h"

#include "base/check.h"
#include "kernels/launch.h"

namespace redoubt::kernels::cuda {

namespace {

cublasComputeType_t compute_type(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return CUBLAS_COMPUTE_32F;
    case Precision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::bf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
  }
  return CUBLAS_COMPUTE_32F;
}

}  // namespace

// cuBLAS counts columns first: to it, our row-major C is Cᵀ = op(B)ᵀ · op(A)ᵀ, so B and A change
// places, and each keeps its flag. The pitch between replicas is its stride; 0 shares a matrix.
void gemm(Context& context, const GemmShape& shape, Replicas<const float> a,
          Replicas<const float> b, Replicas<float> c) {
  check(c.pitch != 0 || shape.replicas == 1, "replicas do not share a product");
  const ProfileRange range(context.device(), "gemm");
  const float one = 1;
  const float zero = 0;
  REDOUBT_CUDA_CHECK(cublasGemmStridedBatchedEx(
      cublas(context), shape.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
      shape.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, shape.columns, shape.rows, shape.inner, &one,
      b.data, CUDA_R_32F, shape.b_stride, b.pitch, a.data, CUDA_R_32F, shape.a_stride, a.pitch,
      &zero, c.data, CUDA_R_32F, shape.c_stride, c.pitch, shape.replicas,
      compute_type(context.precision()), CUBLAS_GEMM_DEFAULT));
}

}  // namespace redoubt::kernels::cuda
