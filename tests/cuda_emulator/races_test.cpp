// What races.h reports, and what it does not. The kernels of this file are watched, too.
#include <gmock/gmock.h>

#include "kernels/instructions.h"
#include "tests/cuda_emulator/gpu_array.h"
#include "tests/cuda_emulator/races.h"

namespace redoubt::test {

namespace {

using kernels::cuda::copy_async;
using kernels::cuda::end_copy_group;
using kernels::cuda::launch;
using kernels::cuda::LaunchShape;
using kernels::cuda::wait_for_copies;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

/// What is reported of a kernel that takes an array of 1,024 zeros; the same in every order.
std::string report_of(void (*kernel)(int*), const LaunchShape& shape, int launches = 1) {
  const KeepSeed keep;
  std::string report;
  for (const auto seed : {0, 1, 2}) {  // a report looks its lines up, which takes a while
    cuda_emulator::set_seed(static_cast<std::uint64_t>(seed));
    Context context(kGpu);
    Buffer<int> values = on_gpu(std::vector<int>(1024));
    for (int i = 0; i < launches; ++i) launch(context, "watched", shape, kernel, values.data());
    const std::string again = failure_of(context);
    if (seed != 0) {
      EXPECT_EQ(again.empty(), report.empty()) << "seed " << seed;
    }
    if (seed == 0 || report.empty()) report = again;
  }
  return report;
}

TEST(Races, AreWatchedForInThisProgram) { EXPECT_TRUE(cuda_emulator::races().watching()); }

// ---- A block's barrier --------------------------------------------------------------------------

/// Every thread hears its neighbour's number, twice.
template <bool kBeforeReading, bool kBeforeWriting>
__global__ void ask_neighbour(int* values) {
  __shared__ int held[64];
  const unsigned i = threadIdx.x;
  int* own = values + blockIdx.x * 64;
  for (int round = 0; round < 2; ++round) {
    held[i] = own[i] + round;
    if (kBeforeReading) __syncthreads();
    own[i] = held[(i + 1) % 64];
    if (kBeforeWriting) __syncthreads();
  }
}

TEST(Races, AreNotReportedWithABarrierBetween) {
  EXPECT_EQ(report_of(ask_neighbour<true, true>, {{3}, {64}}), "");
}

TEST(Races, AreReportedWithPlacesIfABarrierIsMissing) {
  EXPECT_THAT(
      report_of(ask_neighbour<false, true>, {{3}, {64}}),
      AllOf(HasSubstr("kernel \"watched\", block (0, 0, 0): thread "),
            ContainsRegex(
                "shared memory .races_test.cpp:[0-9]+. that thread [0-9]+ "
                "(writes|reads) .races_test.cpp:[0-9]+., and nothing says which is first")));
  EXPECT_THAT(report_of(ask_neighbour<true, false>, {{3}, {64}}),
              ContainsRegex("writes shared memory .* reads"));
}

/// As ask_neighbour, in dynamic shared memory and with bytes.
template <bool kBarrier>
__global__ void ask_neighbour_for_a_byte(int* values) {
  REDOUBT_DYNAMIC_SHARED(unsigned char, held);
  held[threadIdx.x] = static_cast<unsigned char>(threadIdx.x);
  if (kBarrier) __syncthreads();
  values[threadIdx.x] = held[threadIdx.x ^ 1U];
}

TEST(Races, AreKnownByteByByteInDynamicSharedMemory) {
  EXPECT_EQ(report_of(ask_neighbour_for_a_byte<true>, {{1}, {64}, 64}), "");
  EXPECT_THAT(report_of(ask_neighbour_for_a_byte<false>, {{1}, {64}, 64}),
              HasSubstr("shared memory"));
}

/// All read one number, some thread changes it.
template <unsigned kWriter, bool kBarrier>
__global__ void read_then_change(int* values) {
  __shared__ int number;
  if (threadIdx.x == 0) number = 5;
  __syncthreads();
  values[blockIdx.x * blockDim.x + threadIdx.x] = number;
  if (kBarrier) __syncthreads();
  if (threadIdx.x == kWriter) number = 6;
}

TEST(Races, AreReportedWhicheverOfManyReadersWrites) {
  EXPECT_EQ((report_of(read_then_change<3, true>, {{2}, {1}})), "");
  EXPECT_THAT((report_of(read_then_change<0, false>, {{1}, {2}})), HasSubstr("shared"));
  EXPECT_THAT((report_of(read_then_change<1, false>, {{1}, {2}})), HasSubstr("shared"));
  EXPECT_THAT((report_of(read_then_change<40, false>, {{1}, {64}})), HasSubstr("shared"));
  EXPECT_EQ((report_of(read_then_change<0, false>, {{1}, {1}})), "");
}

// ---- Blocks and launches ------------------------------------------------------------------------

template <unsigned kStride>
__global__ void write_first_of_block(int* values) {
  if (threadIdx.x == 0) values[blockIdx.x * kStride] += 1;
}

TEST(Races, AreReportedBetweenBlocksButNotBetweenLaunches) {
  EXPECT_EQ(report_of(write_first_of_block<1>, {{8}, {32}}, 3), "");
  EXPECT_THAT(report_of(write_first_of_block<0>, {{8}, {32}}),
              AllOf(HasSubstr("device memory"), HasSubstr("that another block writes")));
}

/// Block 0 writes what all blocks read.
__global__ void write_what_others_read(int* values) {
  values[1 + blockIdx.x] = values[0];
  if (blockIdx.x == 0) values[0] = 1;
}

TEST(Races, AreReportedBetweenAWriterAndReadersInOtherBlocks) {
  EXPECT_THAT(report_of(write_what_others_read, {{8}, {1}}), HasSubstr("another block"));
  EXPECT_EQ(report_of(write_what_others_read, {{1}, {1}}), "");
}

template <bool kPlainRead>
__global__ void count(int* values) {
  atomicAdd(values, 1);
  if (kPlainRead && threadIdx.x == 1) values[1] = values[0];
}

TEST(Races, AreNotBetweenAtomicsButWithAPlainAccess) {
  EXPECT_EQ(report_of(count<false>, {{4}, {64}}), "");
  EXPECT_THAT(report_of(count<true>, {{1}, {64}}), HasSubstr("device memory"));
}

/// One thread starts what all count.
template <bool kBarrier>
__global__ void start_and_count(int* values) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  if (kBarrier) __syncthreads();
  atomicAdd(&count, 1);
  __syncthreads();
  values[threadIdx.x] = count;
}

TEST(Races, AreReportedBetweenAPlainStartAndOthersAtomics) {
  EXPECT_EQ(report_of(start_and_count<true>, {{1}, {64}}), "");
  EXPECT_THAT(report_of(start_and_count<false>, {{1}, {64}}), HasSubstr("shared memory"));
}

// ---- Warps --------------------------------------------------------------------------------------

enum class Between : std::uint8_t { nothing, barrier_of_warp, barrier_of_some_lanes, shuffle };

/// Every thread writes a number and reads the one `kBits` from it.
template <Between kBetween, unsigned kBits>
__global__ void ask_in_warp(int* values) {
  __shared__ int held[64];
  const unsigned i = threadIdx.x;
  held[i] = values[i];
  int heard = 0;
  if (kBetween == Between::barrier_of_warp) __syncwarp();
  if (kBetween == Between::barrier_of_some_lanes)
    __syncwarp(i % 2 == 0 ? 0x55555555U : 0xaaaaaaaaU);
  if (kBetween == Between::shuffle) heard = __shfl_xor_sync(0xffffffffU, held[i], 1);
  values[i] = heard + held[i ^ kBits];
}

TEST(Races, AreNotWithinAWarpWithItsBarrierBetween) {
  EXPECT_EQ((report_of(ask_in_warp<Between::barrier_of_warp, 1>, {{1}, {64}})), "");
}

TEST(Races, AreReportedWithinAWarpWithAnythingLess) {
  EXPECT_THAT((report_of(ask_in_warp<Between::nothing, 1>, {{1}, {64}})), HasSubstr("shared"));
  EXPECT_THAT((report_of(ask_in_warp<Between::barrier_of_some_lanes, 1>, {{1}, {64}})),
              HasSubstr("shared"));
  EXPECT_THAT((report_of(ask_in_warp<Between::shuffle, 1>, {{1}, {64}})), HasSubstr("shared"));
}

TEST(Races, AreReportedBetweenWarpsWithABarrierOfEachOnly) {
  EXPECT_THAT((report_of(ask_in_warp<Between::barrier_of_warp, 32>, {{1}, {64}})),
              HasSubstr("shared"));
}

// ---- Copies beside the arithmetic ---------------------------------------------------------------

/// Copies a number each and hears the neighbour's; then the buffer is used again.
template <bool kWait, bool kBarrier, bool kBarrierBeforeReuse>
__global__ void copy_for_neighbour(int* values) {
  __shared__ int held[64];
  const unsigned i = threadIdx.x;
  for (int round = 0; round < 2; ++round) {
    copy_async<4>(held + i, values + i, true);
    end_copy_group();
    if (kWait) wait_for_copies<0>();
    if (kBarrier) __syncthreads();
    values[64 + i] = held[i ^ 1U];
    if (kBarrierBeforeReuse) __syncthreads();
  }
}

TEST(Races, AreReportedWithCopiesThatMayStillBeUnderWay) {
  EXPECT_EQ((report_of(copy_for_neighbour<true, true, true>, {{1}, {64}})), "");
  EXPECT_THAT((report_of(copy_for_neighbour<false, true, true>, {{1}, {64}})),
              HasSubstr("is still copying into"));
  EXPECT_THAT((report_of(copy_for_neighbour<true, false, true>, {{1}, {64}})),
              HasSubstr("shared memory"));
  EXPECT_THAT((report_of(copy_for_neighbour<true, true, false>, {{1}, {64}})),
              HasSubstr("shared memory"));
}

}  // namespace

}  // namespace redoubt::test
