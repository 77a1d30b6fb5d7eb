// Warp collectives and atomics of the emulated GPU.
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "tests/cuda_emulator/gpu_array.h"

namespace redoubt::test {

namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchShape;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

constexpr unsigned kAll = 0xffffffffU;

/// Runs `kernel` on one block under every seed; each thread gives one T.
template <class T>
void expect_each_seed(void (*kernel)(T*), unsigned threads,
                      const std::function<T(int thread)>& want) {
  const KeepSeed keep;
  for (const auto seed : kSeeds) {
    SCOPED_TRACE(seed);
    cuda_emulator::set_seed(seed);
    Context context(kGpu);
    Buffer<T> values(kGpu, threads);
    launch(context, "kernel", LaunchShape{{1}, {threads}}, kernel, values.data());
    const std::vector<T> got = values.download();
    for (int i = 0; i < static_cast<int>(threads); ++i) {
      EXPECT_EQ(got[i], want(i)) << "thread " << i;
    }
  }
}

__global__ void shift_down(int* values) {
  values[threadIdx.x] = __shfl_down_sync(kAll, static_cast<int>(threadIdx.x), 5);
}
__global__ void shift_up_in_eights(double* values) {
  values[threadIdx.x] = __shfl_up_sync(kAll, static_cast<double>(threadIdx.x), 3, 8);
}
__global__ void cross(float* values) {
  values[threadIdx.x] = __shfl_xor_sync(kAll, static_cast<float>(threadIdx.x), 9);
}
__global__ void hear_one(int* values) {
  values[threadIdx.x] = __shfl_sync(kAll, static_cast<int>(threadIdx.x) * 2, 3, 16);
}

TEST(Shuffle, DownHearsLaterLanesAndTheLastHearThemselves) {
  expect_each_seed<int>(shift_down, 96, [](int i) { return i % 32 + 5 < 32 ? i + 5 : i; });
}
TEST(Shuffle, UpStaysInGroupsOfTheGivenWidth) {
  expect_each_seed<double>(shift_up_in_eights, 64,
                           [](int i) { return i % 8 >= 3 ? i - 3.0 : double{1} * i; });
}
TEST(Shuffle, XorExchangesLanes) {
  expect_each_seed<float>(cross, 64, [](int i) { return static_cast<float>(i ^ 9); });
}
TEST(Shuffle, HearsOneLaneOfEachGroup) {
  expect_each_seed<int>(hear_one, 64, [](int i) { return (i / 16 * 16 + 3) * 2; });
}

__global__ void sum_by_tree(int* values) {
  int sum = static_cast<int>(threadIdx.x);
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(kAll, sum, step);
  values[threadIdx.x] = __shfl_sync(kAll, sum, 0);
}

TEST(Shuffle, AddsUpAWarp) {
  expect_each_seed<int>(sum_by_tree, 64, [](int i) { return i < 32 ? 496 : 1520; });
}

__global__ void hear_an_absent_lane(float* values) {
  values[threadIdx.x] = __shfl_down_sync(kAll, 1.0F, 4);
}

TEST(Shuffle, HearsNanFromALaneThatIsNotThere) {
  Context context(kGpu);
  Buffer<float> values(kGpu, 20);
  launch(context, "hear_an_absent_lane", LaunchShape{{1}, {20}}, hear_an_absent_lane,
         values.data());
  const std::vector<float> got = values.download();
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(std::isnan(got[i]), i >= 16) << i;
}

__global__ void votes(unsigned* values) {
  const unsigned i = threadIdx.x;
  const unsigned ballot = __ballot_sync(kAll, i % 3 == 0);
  const bool any = __any_sync(kAll, i == 40) != 0;
  const bool all = __all_sync(kAll, i < 40) != 0;
  values[i] = (ballot & 0x3fffffffU) | (any ? 0x40000000U : 0) | (all ? 0x80000000U : 0);
}

TEST(Vote, GivesEveryLaneTheSameAnswer) {
  expect_each_seed<unsigned>(votes, 64, [](int i) {
    unsigned want = i < 32 ? 0x80000000U : 0x40000000U;
    for (int lane = 0; lane < 30; ++lane) {
      if ((i / 32 * 32 + lane) % 3 == 0) want |= 1U << lane;
    }
    return want;
  });
}

__global__ void match(unsigned* values) {
  values[threadIdx.x] = __match_any_sync(kAll, static_cast<int>(threadIdx.x % 4));
}

TEST(Vote, MatchFindsEqualLanes) {
  expect_each_seed<unsigned>(match, 32, [](int i) { return 0x11111111U << i % 4; });
}

__global__ void reduce(int* values) {
  const int i = static_cast<int>(threadIdx.x);
  values[i] = __reduce_add_sync(kAll, i) + 1000 * __reduce_max_sync(kAll, i) +
              100000 * __reduce_min_sync(kAll, i + 2);
}

TEST(Vote, ReduceCombinesAWarp) {
  expect_each_seed<int>(reduce, 32, [](int) { return 496 + 31000 + 200000; });
}

/// The halves of a warp go different ways and meet again.
__global__ void halves(int* values) {
  const unsigned i = threadIdx.x;
  int sum = 0;
  if (i < 16) {
    sum = __reduce_add_sync(0x0000ffffU, 1);
  } else {
    sum = __reduce_add_sync(0xffff0000U, 2);
  }
  __syncwarp();
  values[i] = sum + __shfl_xor_sync(kAll, sum, 16);
}

TEST(WarpCollective, TakesPartOfAWarpByItsMask) {
  expect_each_seed<int>(halves, 32, [](int) { return 48; });
}

/// Through shared memory within a warp, which needs a barrier of the warp.
template <bool kBarrier>
__global__ void swap_neighbours(int* values) {
  __shared__ int held[32];
  held[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (kBarrier) __syncwarp();
  values[threadIdx.x] = held[threadIdx.x ^ 1U];
}

TEST(WarpCollective, SyncwarpLetsLanesSeeWhatOthersWrote) {
  expect_each_seed<int>(swap_neighbours<true>, 32, [](int i) { return i ^ 1; });
  Context context(kGpu);
  Buffer<int> values(kGpu, 32);
  launch(context, "swap_neighbours", LaunchShape{{1}, {32}}, swap_neighbours<false>, values.data());
  EXPECT_THAT(values.download(), testing::Contains(-1)) << "a lane read before its neighbour wrote";
}

__global__ void one_lane_skips(int* values) {
  if (threadIdx.x == 37) return;
  values[threadIdx.x] = __shfl_sync(kAll, 1, 0);
}
__global__ void lanes_disagree(int* values) {
  if (threadIdx.x < 8) {
    values[threadIdx.x] = __shfl_sync(kAll, 1, 0);
  } else {
    values[threadIdx.x] = __shfl_xor_sync(kAll, 1, 1);
  }
}
__global__ void not_in_own_mask(int* values) {
  values[threadIdx.x] = __shfl_sync(0x0000ffffU, 1, 0);
}

std::string failure_of(const char* name, void (*kernel)(int*)) {
  Context context(kGpu);
  Buffer<int> values(kGpu, 64);
  launch(context, name, LaunchShape{{1}, {64}}, kernel, values.data());
  std::string failure = test::failure_of(context);
  return failure;
}

TEST(WarpCollective, ReportsLanesThatDoNotCome) {
  EXPECT_THAT(failure_of("one_lane_skips", one_lane_skips),
              AllOf(HasSubstr("kernel \"one_lane_skips\", block (0, 0, 0)"),
                    HasSubstr("threads 32-36 wait at __shfl_sync (warps_test.cpp:"),
                    HasSubstr("thread 37 have returned")));
  EXPECT_THAT(failure_of("lanes_disagree", lanes_disagree),
              AllOf(HasSubstr("threads 0-7 wait at __shfl_sync"),
                    HasSubstr("threads 8-31 wait at __shfl_xor_sync")));
  EXPECT_THAT(failure_of("not_in_own_mask", not_in_own_mask),
              HasSubstr("is not in the mask it gives to __shfl_sync"));
}

__global__ void atomics(int* values, float* sum, unsigned long long* wide) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&values[0], i);
  atomicMax(&values[1], i);
  atomicMin(&values[2], -i);
  atomicOr(&values[3], 1 << i % 20);
  atomicAnd(&values[4], ~(1 << i % 20));
  atomicXor(&values[5], 1);
  if (atomicCAS(&values[6], 0, i + 1) == 0) atomicAdd(&values[7], 1);
  atomicSub(&values[8], 2);
  atomicExch(&values[9], 7);
  atomicAdd(sum, 0.5F);
  atomicAdd(wide, 1ULL << 40);
}

TEST(Atomics, CombineWhatAllThreadsBring) {
  Context context(kGpu);
  Buffer<int> values(kGpu, 10);
  Buffer<float> sum(kGpu, 1);
  Buffer<unsigned long long> wide(kGpu, 1);
  launch(context, "atomics", LaunchShape{{5}, {100}}, atomics, values.data(), sum.data(),
         wide.data());
  const std::vector<int> got = values.download();
  EXPECT_EQ(got[0], 499 * 500 / 2);
  EXPECT_EQ(got[1], 499);
  EXPECT_EQ(got[2], -499);
  EXPECT_EQ(got[3], (1 << 20) - 1);
  EXPECT_EQ(got[4], 0);
  EXPECT_EQ(got[5], 0);
  EXPECT_EQ(got[7], 1);
  EXPECT_EQ(got[8], -1000);
  EXPECT_EQ(got[9], 7);
  EXPECT_EQ(sum.download()[0], 250.0F);
  EXPECT_EQ(wide.download()[0], 500ULL << 40);
}

}  // namespace

}  // namespace redoubt::test
