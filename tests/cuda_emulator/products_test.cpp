// cuBLAS and the tensor cores of the emulated GPU, against plain loops in double.
#include <gtest/gtest.h>
#include <mma.h>

#include <cmath>
#include <random>

#include "tests/cuda_emulator/gpu_array.h"
#include "tests/cuda_emulator/rounded.h"

namespace redoubt::test {

namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchShape;

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 bits(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(bits()) * 0x1p-31F - 1.0F;
  return values;
}

struct Case {
  cublasComputeType_t compute;
  int bits;  ///< behind the point of what enters a product
};

TEST(Cublas, AgreesWithPlainLoopsUnderEveryTransposeAndPrecision) {
  constexpr int kM = 5;
  constexpr int kN = 7;
  constexpr int kK = 9;
  constexpr int kBatch = 3;
  constexpr int kStride = 11;  // of every matrix: more than any has rows
  constexpr int kSize = kStride * 12;
  Context context(kGpu);
  const std::vector<float> a = random_floats(kSize * kBatch, 1);
  const std::vector<float> b = random_floats(kSize, 2);  // shared by all
  const std::vector<float> c = random_floats(kSize * kBatch, 3);
  const float alpha = 0.5F;
  const float beta = -2;
  for (const Case& one : {Case{CUBLAS_COMPUTE_32F, 23}, Case{CUBLAS_COMPUTE_32F_FAST_TF32, 10},
                          Case{CUBLAS_COMPUTE_32F_FAST_16BF, 7}}) {
    for (int form = 0; form < 4; ++form) {
      const bool transpose_a = (form & 1) != 0;
      const bool transpose_b = (form & 2) != 0;
      const Buffer<float> a_memory = on_gpu(a);
      const Buffer<float> b_memory = on_gpu(b);
      Buffer<float> c_memory = on_gpu(c);
      ASSERT_EQ(cublasGemmStridedBatchedEx(
                    kernels::cuda::cublas(context), transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                    transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, kM, kN, kK, &alpha, a_memory.data(),
                    CUDA_R_32F, kStride, kSize, b_memory.data(), CUDA_R_32F, kStride, 0, &beta,
                    c_memory.data(), CUDA_R_32F, kStride, kSize, kBatch, one.compute,
                    CUBLAS_GEMM_DEFAULT),
                CUBLAS_STATUS_SUCCESS);
      const std::vector<float> got = c_memory.download();
      for (int r = 0; r < kBatch; ++r) {
        for (int i = 0; i < kStride; ++i) {
          for (int j = 0; j < 12; ++j) {
            const auto place = static_cast<std::size_t>(r * kSize + j * kStride + i);
            double want = static_cast<double>(c[place]);
            if (i < kM && j < kN) {
              want *= static_cast<double>(beta);
              for (int k = 0; k < kK; ++k) {
                const int a_place = transpose_a ? i * kStride + k : k * kStride + i;
                const int b_place = transpose_b ? k * kStride + j : j * kStride + k;
                want +=
                    static_cast<double>(alpha) *
                    static_cast<double>(
                        rounded(a[static_cast<std::size_t>(r * kSize + a_place)], one.bits)) *
                    static_cast<double>(rounded(b[static_cast<std::size_t>(b_place)], one.bits));
              }
            }
            EXPECT_NEAR(static_cast<double>(got[place]), want, 2e-6)
                << "form " << form << ", bits " << one.bits << ", (" << r << ", " << i << ", " << j
                << ")";
          }
        }
      }
    }
  }
}

TEST(Cublas, RefusesStridesBelowTheRows) {
  Context context(kGpu);
  Buffer<float> memory(kGpu, 64);
  const float one = 1;
  EXPECT_EQ(cublasSgemm(kernels::cuda::cublas(context), CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one,
                        memory.data(), 3, memory.data() + 16, 4, &one, memory.data() + 32, 4),
            CUBLAS_STATUS_INVALID_VALUE);
}

TEST(Cublas, ReportsMatricesThatLeaveTheirAllocation) {
  Context context(kGpu);
  Buffer<float> small(kGpu, 15);
  Buffer<float> large(kGpu, 16);
  const float one = 1;
  ASSERT_EQ(cublasSgemm(kernels::cuda::cublas(context), CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one,
                        large.data(), 4, small.data(), 4, &one, large.data(), 4),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_NE(failure_of(context).find("not in one allocation"), std::string::npos);
}

// ---- Tensor cores -------------------------------------------------------------------------------

namespace wmma = nvcuda::wmma;

/// c[16 x 16] += a[16 x 8] · b[8 x 16], a by rows, b by columns; inputs rounded if asked.
template <bool kRound>
__global__ void multiply_tf32(const float* a, const float* b, float* c) {
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> left;
  wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::col_major> right;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> sum;
  wmma::load_matrix_sync(left, a, 12);
  wmma::load_matrix_sync(right, b, 8);
  wmma::load_matrix_sync(sum, c, 16, wmma::mem_row_major);
  if (kRound) {
    for (int i = 0; i < left.num_elements; ++i) left.x[i] = wmma::__float_to_tf32(left.x[i]);
    for (int i = 0; i < right.num_elements; ++i) right.x[i] = wmma::__float_to_tf32(right.x[i]);
  }
  wmma::mma_sync(sum, left, right, sum);
  wmma::store_matrix_sync(c, sum, 16, wmma::mem_row_major);
}

__global__ void multiply_bf16(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c) {
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> left;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::row_major> right;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
  wmma::load_matrix_sync(left, a, 16);
  wmma::load_matrix_sync(right, b, 16);
  wmma::fill_fragment(sum, 1.0F);
  wmma::mma_sync(sum, left, right, sum);
  wmma::store_matrix_sync(c, sum, 16, wmma::mem_col_major);
}

/// Towards zero to 10 bits behind the point: what the cores see of a float nobody rounded.
float cut(float value) {
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(value), &exponent);
  return static_cast<float>(std::ldexp(std::trunc(mantissa * 2048) / 2048, exponent));
}

template <bool kRound>
void expect_tf32_product() {
  const KeepSeed keep;
  const std::vector<float> a = random_floats(16 * 12, 1);
  const std::vector<float> b = random_floats(16 * 8, 2);
  const std::vector<float> c = random_floats(16 * 16, 3);
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    Context context(kGpu);
    const Buffer<float> a_memory = on_gpu(a);
    const Buffer<float> b_memory = on_gpu(b);
    Buffer<float> c_memory = on_gpu(c);
    launch(context, "multiply_tf32", LaunchShape{{1}, {32}}, multiply_tf32<kRound>, a_memory.data(),
           b_memory.data(), c_memory.data());
    const std::vector<float> got = c_memory.download();
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < 16; ++j) {
        double want = static_cast<double>(c[i * 16 + j]);
        for (std::size_t k = 0; k < 8; ++k) {
          const float x = a[i * 12 + k];
          const float y = b[j * 8 + k];
          want += static_cast<double>(kRound ? rounded(x, 10) : cut(x)) *
                  static_cast<double>(kRound ? rounded(y, 10) : cut(y));
        }
        ASSERT_NEAR(static_cast<double>(got[i * 16 + j]), want, 1e-6) << "seed " << seed;
      }
    }
  }
}

TEST(TensorCores, MultiplyTf32AsRounded) { expect_tf32_product<true>(); }
TEST(TensorCores, CutTheBitsThatNobodyRounded) { expect_tf32_product<false>(); }

TEST(TensorCores, MultiplyBf16) {
  Context context(kGpu);
  const std::vector<float> a = random_floats(256, 4);
  const std::vector<float> b = random_floats(256, 5);
  const auto narrow = [](const std::vector<float>& values) {
    std::vector<__nv_bfloat16> result;
    for (const float value : values) result.push_back(__float2bfloat16(value));
    return result;
  };
  const Buffer<__nv_bfloat16> a_memory = on_gpu(narrow(a));
  const Buffer<__nv_bfloat16> b_memory = on_gpu(narrow(b));
  Buffer<float> c_memory(kGpu, 256);
  launch(context, "multiply_bf16", LaunchShape{{1}, {32}}, multiply_bf16, a_memory.data(),
         b_memory.data(), c_memory.data());
  const std::vector<float> got = c_memory.download();
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 16; ++j) {
      double want = 1;
      for (std::size_t k = 0; k < 16; ++k) {
        want += static_cast<double>(rounded(a[i * 16 + k], 7)) *
                static_cast<double>(rounded(b[k * 16 + j], 7));
      }
      ASSERT_NEAR(static_cast<double>(got[j * 16 + i]), want, 2e-6);
    }
  }
}

__global__ void half_a_warp_multiplies(float* c) {
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> left;
  if (threadIdx.x < 16) wmma::load_matrix_sync(left, c, 8);
}

TEST(TensorCores, NeedTheWholeWarp) {
  Context context(kGpu);
  Buffer<float> c(kGpu, 256);
  launch(context, "half_a_warp_multiplies", LaunchShape{{1}, {32}}, half_a_warp_multiplies,
         c.data());
  EXPECT_NE(failure_of(context).find("threads 16-31 have returned"), std::string::npos);
}

}  // namespace

}  // namespace redoubt::test
