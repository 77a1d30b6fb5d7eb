// cuBLAS' products, by oneDNN's.
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <dnnl.h>
#include <omp.h>

#include <vector>

#include "cuda_emulator/instructions.h"
#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/machine.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
  bool tf32 = false;
};

namespace {

using cuda_emulator::KernelFailure;

/// One side of a product as floats, rounded as the product asks. Columns of `rows` elements.
std::vector<float> operand(const void* from, cudaDataType type, int rows, int columns, int stride,
                           cublasComputeType_t compute) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (int j = 0; j < columns; ++j) {
    for (int i = 0; i < rows; ++i) {
      const std::ptrdiff_t place = std::ptrdiff_t{j} * stride + i;
      float value = type == CUDA_R_32F ? static_cast<const float*>(from)[place]
                                       : float{static_cast<const __nv_bfloat16*>(from)[place]};
      if (compute == CUBLAS_COMPUTE_32F_FAST_TF32) value = cuda_emulator::rounded_to_tf32(value);
      if (compute == CUBLAS_COMPUTE_32F_FAST_16BF) value = __nv_bfloat16(value);
      values.push_back(value);
    }
  }
  return values;
}

struct Product {
  cublasOperation_t a_operation, b_operation;
  int m, n, k;
  float alpha, beta;
  const void* a;
  cudaDataType a_type;
  int a_stride;
  const void* b;
  cudaDataType b_type;
  int b_stride;
  float* c;
  int c_stride;
  cublasComputeType_t compute;
};

void run(const Product& p) {
  const bool a_plain = p.a_operation == CUBLAS_OP_N;
  const bool b_plain = p.b_operation == CUBLAS_OP_N;
  const int a_rows = a_plain ? p.m : p.k;
  const int b_rows = b_plain ? p.k : p.n;
  const std::vector<float> a =
      operand(p.a, p.a_type, a_rows, a_plain ? p.k : p.m, p.a_stride, p.compute);
  const std::vector<float> b =
      operand(p.b, p.b_type, b_rows, b_plain ? p.n : p.k, p.b_stride, p.compute);
  // oneDNN's matrices lie row by row, so they are the transposed: Cᵀ = op(B)ᵀ · op(A)ᵀ.
  omp_set_num_threads(1);
  const dnnl_status_t status =
      dnnl_sgemm(b_plain ? 'N' : 'T', a_plain ? 'N' : 'T', p.n, p.m, p.k, p.alpha, b.data(), b_rows,
                 a.data(), a_rows, p.beta, p.c, p.c_stride);
  if (status != dnnl_success) throw KernelFailure("dnnl_sgemm failed");
}

std::size_t size_of(cudaDataType type) { return type == CUDA_R_32F ? 4 : 2; }

/// Throws KernelFailure unless a matrix of `columns` columns lies in device memory.
void check_matrix(const void* start, int rows, int columns, int stride, std::size_t element) {
  const auto count = static_cast<std::size_t>(columns - 1) * static_cast<std::size_t>(stride) +
                     static_cast<std::size_t>(rows);
  const std::string wrong = cuda_emulator::machine().memory.check_range(start, count * element);
  if (!wrong.empty()) throw KernelFailure("cuBLAS product: " + wrong);
}

void check(const Product& p) {
  const bool a_plain = p.a_operation == CUBLAS_OP_N;
  const bool b_plain = p.b_operation == CUBLAS_OP_N;
  check_matrix(p.a, a_plain ? p.m : p.k, a_plain ? p.k : p.m, p.a_stride, size_of(p.a_type));
  check_matrix(p.b, b_plain ? p.k : p.n, b_plain ? p.n : p.k, p.b_stride, size_of(p.b_type));
  check_matrix(p.c, p.m, p.n, p.c_stride, sizeof(float));
}

bool is_valid(const Product& p, int batch_count) {
  const auto supported = [](cudaDataType type) {
    return type == CUDA_R_32F || type == CUDA_R_16BF;
  };
  const int a_rows = p.a_operation == CUBLAS_OP_N ? p.m : p.k;
  const int b_rows = p.b_operation == CUBLAS_OP_N ? p.k : p.n;
  return p.m >= 0 && p.n >= 0 && p.k >= 0 && batch_count >= 0 && p.a_stride >= a_rows &&
         p.b_stride >= b_rows && p.c_stride >= p.m && supported(p.a_type) && supported(p.b_type);
}

}  // namespace

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "unknown cuBLAS status";
}

cublasStatus_t cublasGetProperty(libraryPropertyType type, int* value) {
  *value = type == MAJOR_VERSION ? 13 : 0;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t /*handle*/, void* workspace, std::size_t bytes) {
  cuda_emulator::Machine& machine = cuda_emulator::machine();
  const cuda_emulator::Lock lock(machine.lock);
  if (!machine.memory.check_range(workspace, bytes).empty()) return CUBLAS_STATUS_INVALID_VALUE;
  machine.memory.forget(workspace, bytes);  // ours are computed without
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  handle->tf32 = mode == CUBLAS_TF32_TENSOR_OP_MATH;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation, int m,
    int n, int k, const void* alpha, const void* a, cudaDataType a_type, int a_stride,
    long long a_batch_stride, const void* b, cudaDataType b_type, int b_stride,
    long long b_batch_stride, const void* beta, void* c, cudaDataType c_type, int c_stride,
    long long c_batch_stride, int batch_count, cublasComputeType_t compute,
    cublasGemmAlgo_t /*algorithm*/) {
  if (handle->tf32 && compute == CUBLAS_COMPUTE_32F) compute = CUBLAS_COMPUTE_32F_FAST_TF32;
  const Product product = {.a_operation = a_operation,
                           .b_operation = b_operation,
                           .m = m,
                           .n = n,
                           .k = k,
                           .alpha = *static_cast<const float*>(alpha),
                           .beta = *static_cast<const float*>(beta),
                           .a = a,
                           .a_type = a_type,
                           .a_stride = a_stride,
                           .b = b,
                           .b_type = b_type,
                           .b_stride = b_stride,
                           .c = static_cast<float*>(c),
                           .c_stride = c_stride,
                           .compute = compute};
  if (c_type != CUDA_R_32F || compute == CUBLAS_COMPUTE_64F) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!is_valid(product, batch_count)) return CUBLAS_STATUS_INVALID_VALUE;
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  cuda_emulator::Machine& machine = cuda_emulator::machine();
  const cuda_emulator::Lock lock(machine.lock);
  const cudaError_t error = machine.enqueue(handle->stream, [=] {
    Product one = product;  // a graph runs this again and again
    for (int i = 0; i < batch_count; ++i) {
      check(one);
      run(one);
      one.a = static_cast<const char*>(one.a) +
              a_batch_stride * static_cast<long long>(size_of(a_type));
      one.b = static_cast<const char*>(one.b) +
              b_batch_stride * static_cast<long long>(size_of(b_type));
      one.c += c_batch_stride;
    }
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_operation,
                            cublasOperation_t b_operation, int m, int n, int k, const void* alpha,
                            const void* a, cudaDataType a_type, int a_stride, const void* b,
                            cudaDataType b_type, int b_stride, const void* beta, void* c,
                            cudaDataType c_type, int c_stride, cublasComputeType_t compute,
                            cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, a_operation, b_operation, m, n, k, alpha, a, a_type,
                                    a_stride, 0, b, b_type, b_stride, 0, beta, c, c_type, c_stride,
                                    0, 1, compute, algorithm);
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t a_operation,
                                         cublasOperation_t b_operation, int m, int n, int k,
                                         const float* alpha, const float* a, int a_stride,
                                         long long a_batch_stride, const float* b, int b_stride,
                                         long long b_batch_stride, const float* beta, float* c,
                                         int c_stride, long long c_batch_stride, int batch_count) {
  return cublasGemmStridedBatchedEx(handle, a_operation, b_operation, m, n, k, alpha, a, CUDA_R_32F,
                                    a_stride, a_batch_stride, b, CUDA_R_32F, b_stride,
                                    b_batch_stride, beta, c, CUDA_R_32F, c_stride, c_batch_stride,
                                    batch_count, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t a_operation,
                           cublasOperation_t b_operation, int m, int n, int k, const float* alpha,
                           const float* a, int a_stride, const float* b, int b_stride,
                           const float* beta, float* c, int c_stride) {
  return cublasSgemmStridedBatched(handle, a_operation, b_operation, m, n, k, alpha, a, a_stride, 0,
                                   b, b_stride, 0, beta, c, c_stride, 0, 1);
}
