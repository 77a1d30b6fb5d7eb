// cuBLAS and the tensor cores of the emulated GPU, against plain loops in double.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "kernels/instructions.h"
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
                want += static_cast<double>(alpha) *
                        static_cast<double>(rounded(a[r * kSize + a_place], one.bits)) *
                        static_cast<double>(rounded(b[b_place], one.bits));
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

/// c[16][8] += a[16][k] · b[k][8], all by rows, k = 8 of TF32 or 16 of bf16; by one warp.
template <bool kRound>
__global__ void multiply_tf32(const float* a, const float* b, float* c) {
  const unsigned g = threadIdx.x / 4;
  const unsigned t = threadIdx.x % 4;
  const auto bits = [](float value) {
    return kRound ? kernels::cuda::tf32_bits(value) : __float_as_uint(value);
  };
  const std::uint32_t left[4] = {bits(a[g * 8 + t]), bits(a[(g + 8) * 8 + t]),
                                 bits(a[g * 8 + t + 4]), bits(a[(g + 8) * 8 + t + 4])};
  const std::uint32_t right[2] = {bits(b[t * 8 + g]), bits(b[(t + 4) * 8 + g])};
  float sums[4];
  for (unsigned i = 0; i < 4; ++i) sums[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  kernels::cuda::multiply_add_tf32(sums, left, right);
  for (unsigned i = 0; i < 4; ++i) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

__global__ void multiply_bf16(const float* a, const float* b, float* c) {
  const unsigned g = threadIdx.x / 4;
  const unsigned t = threadIdx.x % 4;
  const auto pair_a = [&](unsigned row, unsigned k) {
    return kernels::cuda::bf16_bits(a[row * 16 + k], a[row * 16 + k + 1]);
  };
  const auto pair_b = [&](unsigned k) {
    return kernels::cuda::bf16_bits(b[k * 8 + g], b[(k + 1) * 8 + g]);
  };
  const std::uint32_t left[4] = {pair_a(g, 2 * t), pair_a(g + 8, 2 * t), pair_a(g, 2 * t + 8),
                                 pair_a(g + 8, 2 * t + 8)};
  const std::uint32_t right[2] = {pair_b(2 * t), pair_b(2 * t + 8)};
  float sums[4];
  for (unsigned i = 0; i < 4; ++i) sums[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  kernels::cuda::multiply_add_bf16(sums, left, right);
  for (unsigned i = 0; i < 4; ++i) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

/// Towards zero to 10 bits behind the point: what the cores see of a float nobody rounded.
float cut(float value) {
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(value), &exponent);
  return static_cast<float>(std::ldexp(std::trunc(mantissa * 2048) / 2048, exponent));
}

/// A kernel of the above against plain loops, in every order of threads.
void expect_product(int inner, void (*multiply)(const float*, const float*, float*),
                    float (*seen)(float)) {
  const KeepSeed keep;
  const auto k_count = static_cast<std::size_t>(inner);
  const std::vector<float> a = random_floats(16 * k_count, 1);
  const std::vector<float> b = random_floats(8 * k_count, 2);
  const std::vector<float> c = random_floats(16 * 8, 3);
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    Context context(kGpu);
    const Buffer<float> a_memory = on_gpu(a);
    const Buffer<float> b_memory = on_gpu(b);
    Buffer<float> c_memory = on_gpu(c);
    launch(context, "multiply", LaunchShape{{1}, {32}}, multiply, a_memory.data(), b_memory.data(),
           c_memory.data());
    const std::vector<float> got = c_memory.download();
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < 8; ++j) {
        double want = static_cast<double>(c[i * 8 + j]);
        for (std::size_t k = 0; k < k_count; ++k) {
          want += static_cast<double>(seen(a[i * k_count + k])) *
                  static_cast<double>(seen(b[k * 8 + j]));
        }
        ASSERT_NEAR(static_cast<double>(got[i * 8 + j]), want, 2e-6) << "seed " << seed;
      }
    }
  }
}

TEST(TensorCores, MultiplyTf32AsRounded) {
  expect_product(8, multiply_tf32<true>, [](float value) { return rounded(value, 10); });
}
TEST(TensorCores, CutTheBitsThatNobodyRounded) { expect_product(8, multiply_tf32<false>, cut); }
TEST(TensorCores, MultiplyBf16) {
  expect_product(16, multiply_bf16, [](float value) { return rounded(value, 7); });
}

__global__ void round_to_tf32(const float* from, float* to) {
  to[threadIdx.x] = __uint_as_float(kernels::cuda::tf32_bits(from[threadIdx.x]) & ~0x1fffU);
}

TEST(TensorCores, SeeWhatIsRoundedToTf32) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kLargest = std::numeric_limits<float>::max();
  const std::vector<float> values = {0,
                                     -0.0F,
                                     1,
                                     1 + 0x1p-11F,             // a tie
                                     1 + 0x1p-11F - 0x1p-23F,  // just below
                                     -1 - 0x1p-11F,
                                     2 - 0x1p-23F,  // into the next power
                                     0x1p-126F,
                                     0x1.8006p-120F,
                                     kLargest,
                                     -kLargest,
                                     kInfinity,
                                     -kInfinity};
  std::vector<float> asked = values;
  asked.push_back(std::bit_cast<float>(0x7fffffffU));  // a GPU's own NaN
  Context context(kGpu);
  const Buffer<float> from = on_gpu(asked);
  Buffer<float> to(kGpu, std::ssize(asked));
  launch(context, "round_to_tf32", LaunchShape{{1}, {static_cast<unsigned>(asked.size())}},
         round_to_tf32, from.data(), to.data());
  const std::vector<float> got = to.download();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float want = std::isinf(values[i]) ? values[i] : rounded(values[i], 10);
    EXPECT_EQ(got[i], want) << values[i];
  }
  EXPECT_TRUE(std::isnan(got.back()));
}

__global__ void half_a_warp_multiplies(float* c) {
  float sums[4] = {};
  const std::uint32_t left[4] = {};
  const std::uint32_t right[2] = {};
  if (threadIdx.x < 16) kernels::cuda::multiply_add_tf32(sums, left, right);
  c[threadIdx.x] = sums[0];
}

TEST(TensorCores, NeedTheWholeWarp) {
  Context context(kGpu);
  Buffer<float> c(kGpu, 256);
  launch(context, "half_a_warp_multiplies", LaunchShape{{1}, {32}}, half_a_warp_multiplies,
         c.data());
  EXPECT_NE(failure_of(context).find("threads 16-31 have returned"), std::string::npos);
}

// ---- Copies beside the arithmetic ---------------------------------------------------------------

/// Reads what it copied, having waited for all but `kPending` of its two groups; -1 marks what has
/// not come.
template <int kPending>
__global__ void copy_two_groups(const float* from, float* to) {
  alignas(16) __shared__ float shared[8];
  for (float& value : shared) value = -1;
  kernels::cuda::copy_async<16>(shared, from, true);
  kernels::cuda::end_copy_group();
  kernels::cuda::copy_async<8>(shared + 4, from + 4, true);
  kernels::cuda::copy_async<4>(shared + 6, from + 6, false);
  kernels::cuda::end_copy_group();
  kernels::cuda::wait_for_copies<kPending>();
  for (int i = 0; i < 8; ++i) to[i] = shared[i];
}

std::vector<float> copied(void (*kernel)(const float*, float*)) {
  Context context(kGpu);
  const Buffer<float> from = on_gpu(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  Buffer<float> to(kGpu, 8);
  launch(context, "copy_two_groups", LaunchShape{{1}, {1}}, kernel, from.data(), to.data());
  return to.download();
}

TEST(Copies, ArriveWhenTheirGroupIsWaitedForAndNoSooner) {
  const KeepSeed keep;
  cuda_emulator::set_seed(0);
  EXPECT_EQ(copied(copy_two_groups<2>), (std::vector<float>{-1, -1, -1, -1, -1, -1, -1, -1}));
  EXPECT_EQ(copied(copy_two_groups<1>), (std::vector<float>{1, 2, 3, 4, -1, -1, -1, -1}));
  EXPECT_EQ(copied(copy_two_groups<0>), (std::vector<float>{1, 2, 3, 4, 5, 6, 0, -1}));
}

TEST(Copies, OfSomeOrdersArriveAtOnce) {
  const KeepSeed keep;
  std::set<std::vector<float>> seen;
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    seen.insert(copied(copy_two_groups<2>));
  }
  EXPECT_EQ(seen, (std::set<std::vector<float>>{{-1, -1, -1, -1, -1, -1, -1, -1},
                                                {1, 2, 3, 4, 5, 6, 0, -1}}));
}

}  // namespace

}  // namespace redoubt::test
