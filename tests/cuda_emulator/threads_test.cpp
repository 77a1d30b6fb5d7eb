// Threads, barriers and shared memory of the emulated GPU.
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <set>

#include "tests/cuda_emulator/gpu_array.h"

namespace redoubt::test {

namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchShape;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

__global__ void count_visits(int* visits) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  ++visits[block * blockDim.x * blockDim.y * blockDim.z + thread];
}

TEST(Threads, RunOnceEachWithTheirIndices) {
  const KeepSeed keep;
  Context context(kGpu);
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    Buffer<int> visits(kGpu, 4 * 3 * 2 * 5 * 2 * 3);
    launch(context, "count_visits", LaunchShape{{4, 3, 2}, {5, 2, 3}}, count_visits, visits.data());
    EXPECT_THAT(visits.download(), Each(1)) << "seed " << seed;
  }
}

__global__ void note_order(int* next, int* order) {
  order[atomicAdd(next, 1)] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

std::vector<int> order_of(std::uint64_t seed) {
  cuda_emulator::set_seed(seed);
  Context context(kGpu);
  Buffer<int> next(kGpu, 1);
  Buffer<int> order(kGpu, 7 * 64);
  launch(context, "note_order", LaunchShape{{7}, {64}}, note_order, next.data(), order.data());
  return order.download();
}

TEST(Threads, TakeAnotherOrderWithEachSeed) {
  const KeepSeed keep;
  std::vector<int> ascending(7 * 64);
  std::iota(ascending.begin(), ascending.end(), 0);
  EXPECT_EQ(order_of(0), ascending);
  std::set<std::vector<int>> orders;
  for (const auto seed : kSeeds) orders.insert(order_of(seed));
  EXPECT_EQ(orders.size(), kSeeds.size());
}

// ---- Barriers -----------------------------------------------------------------------------------

/// Each thread leaves its number for the thread opposite.
template <bool kBarrier>
__global__ void reverse(int* values) {
  __shared__ int held[128];
  const unsigned i = threadIdx.x;
  held[i] = values[blockIdx.x * 128 + i];
  if (kBarrier) __syncthreads();
  values[blockIdx.x * 128 + i] = held[127 - i];
}

template <bool kBarrier>
bool reverses(std::uint64_t seed) {
  cuda_emulator::set_seed(seed);
  Context context(kGpu);
  std::vector<int> numbers(3 * 128);
  std::iota(numbers.begin(), numbers.end(), 0);
  Buffer<int> values = on_gpu(numbers);
  launch(context, "reverse", LaunchShape{{3}, {128}}, reverse<kBarrier>, values.data());
  std::vector<int> want = numbers;
  for (int block = 0; block < 3; ++block) {
    std::reverse(want.begin() + block * 128, want.begin() + (block + 1) * 128);
  }
  return values.download() == want;
}

TEST(Barrier, LetsThreadsSeeWhatOthersWrote) {
  const KeepSeed keep;
  for (const auto seed : kSeeds) EXPECT_TRUE(reverses<true>(seed)) << "seed " << seed;
}

TEST(Barrier, MissingGivesAWrongResult) {
  const KeepSeed keep;
  for (const auto seed : kSeeds) EXPECT_FALSE(reverses<false>(seed)) << "seed " << seed;
}

/// A sum that forgets the barrier between two rounds: right in many orders, not in all.
__global__ void sum_without_last_barrier(const float* values, float* sums) {
  __shared__ float part[64];
  const unsigned i = threadIdx.x;
  for (int round = 0; round < 2; ++round) {
    part[i] = values[round * 64 + static_cast<int>(i)];
    __syncthreads();
    if (i == 0) {
      float sum = 0;
      for (int j = 0; j < 64; ++j) sum += part[j];
      sums[round] = sum;
    }
    // Missing: __syncthreads(), before the next round overwrites part.
  }
}

TEST(Barrier, MissingBetweenTwoUsesIsFoundBySomeSeed) {
  const KeepSeed keep;
  std::vector<float> ones_and_twos(64, 1.0F);
  ones_and_twos.resize(128, 2.0F);
  int wrong = 0;
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    Context context(kGpu);
    const Buffer<float> values = on_gpu(ones_and_twos);
    Buffer<float> sums(kGpu, 2);
    launch(context, "sum_without_last_barrier", LaunchShape{{1}, {64}}, sum_without_last_barrier,
           values.data(), sums.data());
    wrong += sums.download() == std::vector<float>{64, 128} ? 0 : 1;
  }
  EXPECT_GT(wrong, 0);
}

/// block_sum() of kernels/cuda_parts.h in small, twice in a row. Without its closing barrier a warp
/// may write its part of the second sum before the first warp has read the first.
template <bool kClosingBarrier>
__device__ float sum_of_block(float value) {
  __shared__ float of_warp[32];
  const unsigned lane = threadIdx.x % 32;
  const unsigned warp = threadIdx.x / 32;
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffU, value, step);
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  if (warp == 0) {
    value = lane < blockDim.x / 32 ? of_warp[lane] : 0;
    for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffU, value, step);
  }
  if (kClosingBarrier) __syncthreads();
  return value;
}

template <bool kClosingBarrier>
__global__ void sum_twice(float* sums) {
  const float first = sum_of_block<kClosingBarrier>(1);
  const float second = sum_of_block<kClosingBarrier>(2);
  if (threadIdx.x == 0) {
    sums[2 * blockIdx.x] = first;
    sums[2 * blockIdx.x + 1] = second;
  }
}

constexpr unsigned kBlocks = 8;  ///< each draws whose turn it is anew

/// Seeds under which the sums of blocks of `threads` ones and twos are wrong.
template <bool kClosingBarrier>
int wrong_sums(unsigned threads) {
  int wrong = 0;
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    Context context(kGpu);
    Buffer<float> sums(kGpu, 2 * kBlocks);
    launch(context, "sum_twice", LaunchShape{{kBlocks}, {threads}}, sum_twice<kClosingBarrier>,
           sums.data());
    std::vector<float> want;
    for (unsigned block = 0; block < kBlocks; ++block) {
      for (const unsigned value : {1U, 2U}) want.push_back(static_cast<float>(value * threads));
    }
    wrong += sums.download() == want ? 0 : 1;
  }
  return wrong;
}

TEST(Barrier, MissingAtTheEndOfABlocksSumIsFoundBySomeSeed) {
  const KeepSeed keep;
  for (const unsigned threads : {64U, 128U, 256U}) {
    EXPECT_EQ(wrong_sums<true>(threads), 0) << threads << " threads";
    EXPECT_GE(wrong_sums<false>(threads), 4) << threads << " threads";
  }
}

/// Lanes of one warp hand values on in shared memory.
template <bool kBarrier>
__global__ void pass_on_in_warp(float* values) {
  __shared__ float held[32];
  float& own = values[blockIdx.x * 32 + threadIdx.x];
  for (int round = 0; round < 2; ++round) {
    held[threadIdx.x] = own + 1;
    __syncwarp();
    own = held[(threadIdx.x + 1) % 32];
    if (kBarrier) __syncwarp();
  }
}

template <bool kBarrier>
int wrong_passes() {
  std::vector<float> numbers;
  std::vector<float> want;
  for (unsigned i = 0; i < 32 * kBlocks; ++i) {
    numbers.push_back(static_cast<float>(i % 32));
    want.push_back(static_cast<float>((i + 2) % 32 + 2));
  }
  int wrong = 0;
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    Context context(kGpu);
    Buffer<float> values = on_gpu(numbers);
    launch(context, "pass_on_in_warp", LaunchShape{{kBlocks}, {32}}, pass_on_in_warp<kBarrier>,
           values.data());
    wrong += values.download() == want ? 0 : 1;
  }
  return wrong;
}

TEST(Barrier, MissingInAWarpIsFoundBySomeSeed) {
  const KeepSeed keep;
  EXPECT_EQ(wrong_passes<true>(), 0);
  EXPECT_GE(wrong_passes<false>(), 4);
}

__global__ void some_return_early() {
  if (blockIdx.x == 2 && threadIdx.x >= 40) return;
  __syncthreads();
}

TEST(Barrier, ReportsThreadsThatReturnedBeforeIt) {
  const KeepSeed keep;
  for (const auto seed : kSeeds) {
    cuda_emulator::set_seed(seed);
    Context context(kGpu);
    launch(context, "some_return_early", LaunchShape{{4}, {64}}, some_return_early);
    EXPECT_THAT(failure_of(context),
                AllOf(HasSubstr("cudaErrorLaunchFailure"),
                      HasSubstr("kernel \"some_return_early\""), HasSubstr("block (2, 0, 0)"),
                      HasSubstr("threads 0-39 wait at __syncthreads (threads_test.cpp:"),
                      HasSubstr("threads 40-63 have returned")));
  }
}

__global__ void wait_in_two_places(int* values) {
  if (threadIdx.x < 32) {
    __syncthreads();
    values[0] = 1;
  } else {
    __syncthreads();
    values[1] = 1;
  }
}

TEST(Barrier, ReportsThreadsThatWaitAtAnother) {
  Context context(kGpu);
  Buffer<int> values(kGpu, 2);
  launch(context, "wait_in_two_places", LaunchShape{{1}, {64}}, wait_in_two_places, values.data());
  EXPECT_THAT(failure_of(context),
              AllOf(HasSubstr("kernel \"wait_in_two_places\""), HasSubstr("block (0, 0, 0)"),
                    HasSubstr("threads 0-31 wait at __syncthreads"),
                    HasSubstr("threads 32-63 wait at __syncthreads")));
}

TEST(Barrier, TheGpuWorksOnAfterAFailure) {
  Context context(kGpu);
  launch(context, "some_return_early", LaunchShape{{4}, {64}}, some_return_early);
  EXPECT_NE(failure_of(context), "");
  EXPECT_TRUE(reverses<true>(cuda_emulator::seed()));
}

__global__ void vote(int* answers) {
  const int i = static_cast<int>(threadIdx.x);
  const int count = __syncthreads_count(i < 10);
  const int any = __syncthreads_or(i == 77 ? 4 : 0);
  const int none = __syncthreads_or(0);
  const int all = __syncthreads_and(i < 96);
  const int not_all = __syncthreads_and(i != 50);
  answers[i] = count * 10000 + any * 1000 + none * 100 + all * 10 + not_all;
}

TEST(Barrier, CountsVotes) {
  Context context(kGpu);
  Buffer<int> answers(kGpu, 96);
  launch(context, "vote", LaunchShape{{1}, {96}}, vote, answers.data());
  EXPECT_THAT(answers.download(), Each(101010));
}

// ---- Shared memory ------------------------------------------------------------------------------

__global__ void read_first(int* not_nan) {
  __shared__ float once[32];
  REDOUBT_DYNAMIC_SHARED(float, dynamic);
  if (once[threadIdx.x] == once[threadIdx.x]) atomicAdd(not_nan, 1);
  if (dynamic[threadIdx.x] == dynamic[threadIdx.x]) atomicAdd(not_nan, 1);
  once[threadIdx.x] = 1;
  dynamic[threadIdx.x] = 1;
}

TEST(SharedMemory, IsNanWhenABlockStarts) {
  Context context(kGpu);
  Buffer<int> not_nan(kGpu, 1);
  for (int i = 0; i < 2; ++i) {
    launch(context, "read_first", LaunchShape{{5}, {32}, 32 * sizeof(float)}, read_first,
           not_nan.data());
  }
  EXPECT_EQ(not_nan.download()[0], 0);
}

/// Shared variables of an inline function, of a template and of a plain function side by side.
template <int kSize>
__device__ float rotate(float value) {
  __shared__ float ring[kSize];
  ring[threadIdx.x] = value;
  __syncthreads();
  const float next = ring[(threadIdx.x + 1) % kSize];
  __syncthreads();
  return next;
}
__device__ inline double doubled(double value) {
  __shared__ double held[64];
  held[threadIdx.x] = value;
  __syncthreads();
  const double result = 2 * held[threadIdx.x];
  __syncthreads();
  return result;
}

__global__ void rotate_and_double(float* values) {
  __shared__ float sum[1];
  if (threadIdx.x == 0) sum[0] = 100;
  __syncthreads();
  const float moved = rotate<64>(rotate<64>(values[threadIdx.x]));
  values[threadIdx.x] = sum[0] + static_cast<float>(doubled(static_cast<double>(moved)));
}

TEST(SharedMemory, OfDifferentFunctionsLiesApart) {
  Context context(kGpu);
  std::vector<float> numbers(64);
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  Buffer<float> values = on_gpu(numbers);
  launch(context, "rotate_and_double", LaunchShape{{1}, {64}}, rotate_and_double, values.data());
  const std::vector<float> got = values.download();
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i], 100 + 2 * static_cast<float>((i + 2) % 64));
  }
}

// ---- Launches -----------------------------------------------------------------------------------

__global__ void fill(int count, int* values) {
  for (auto i = kernels::cuda::global_thread(); i < count; i += kernels::cuda::grid_threads()) {
    values[i] += static_cast<int>(i);
  }
}

TEST(Launch, ForEachVisitsEveryElementOnceHoweverFewTheBlocks) {
  Context context(kGpu);
  for (const int count : {1, 255, 256, 257, 5000}) {
    Buffer<int> values(kGpu, count);
    launch(context, "fill", kernels::cuda::for_each(count, 128, 3), fill, count, values.data());
    std::vector<int> want(count);
    std::iota(want.begin(), want.end(), 0);
    EXPECT_EQ(values.download(), want);
  }
}

TEST(Launch, OfNoBlocksDoesNothing) {
  Context context(kGpu);
  const auto before = cuda_emulator::counters().launches;
  launch(context, "fill", kernels::cuda::for_each(0), fill, 0, nullptr);
  context.synchronize();
  EXPECT_EQ(cuda_emulator::counters().launches, before);
}

TEST(Launch, RefusesShapesThatCudaDoesNotAllow) {
  Context context(kGpu);
  EXPECT_THAT(
      [&] {
        launch(context, "fill", LaunchShape{{1}, {1025}}, fill, 0, nullptr);
      },
      testing::ThrowsMessage<std::logic_error>(
          AllOf(HasSubstr("kernel \"fill\""), HasSubstr("block 1025 x 1 x 1"))));
  EXPECT_THAT(
      [&] {
        launch(context, "fill", LaunchShape{{1, 65536}, {32}}, fill, 0, nullptr);
      },
      testing::ThrowsMessage<std::logic_error>(HasSubstr("grid 1 x 65536 x 1")));
  EXPECT_THAT([] { kernels::cuda::grid_extent(65536); },
              testing::ThrowsMessage<std::logic_error>(HasSubstr("65536")));
}

TEST(Launch, QuotesCudaWhenSharedMemoryIsTooMuch) {
  Context context(kGpu);
  EXPECT_THAT(
      [&] {
        launch(context, "fill", LaunchShape{{1}, {32}, 300000}, fill, 0, nullptr);
      },
      testing::ThrowsMessage<std::runtime_error>(
          AllOf(HasSubstr("kernel \"fill\""), HasSubstr("300000 bytes shared"),
                HasSubstr("cudaErrorInvalidValue, invalid argument"))));
}

}  // namespace

}  // namespace redoubt::test
