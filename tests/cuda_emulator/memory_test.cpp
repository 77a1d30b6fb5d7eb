// Device memory of the emulated GPU, and devices as kernels/device.h shows them.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "tests/cuda_emulator/gpu_array.h"

namespace redoubt::test {

namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchShape;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using testing::ThrowsMessage;

TEST(EmulatedDevice, IsListedAndFoundByName) {
  ASSERT_EQ(available_devices().size(), 2U);
  EXPECT_EQ(available_devices()[1].device, kGpu);
  EXPECT_EQ(available_devices()[1].name, "emulated GPU");
  EXPECT_EQ(parse_device("cuda"), kGpu);
  EXPECT_EQ(parse_device("auto"), kGpu);
  EXPECT_THAT([] { parse_device("cuda:1"); },
              ThrowsMessage<InputError>(AllOf(StartsWith("device cuda:1 is not available"),
                                              HasSubstr("the last of this machine is cuda"))));
}

TEST(DeviceMemory, TravelsThereAndBack) {
  Context context(kGpu);
  const std::vector<int> numbers = {1, 2, 3, 4};
  Buffer<int> first = on_gpu(numbers);
  Buffer<int> second(kGpu, 4);
  EXPECT_EQ(second.download(), (std::vector<int>{0, 0, 0, 0}));
  context.copy_on_device(second.data(), first.data() + 1, 3 * sizeof(int));
  context.fill_zero(first.data(), 2 * sizeof(int));
  EXPECT_EQ(second.download(), (std::vector<int>{2, 3, 4, 0}));
  EXPECT_EQ(first.download(), (std::vector<int>{0, 0, 3, 4}));
}

TEST(DeviceMemory, IsNanWhereNobodyHasWritten) {
  auto* memory = static_cast<float*>(allocate(kGpu, 3 * sizeof(float)));
  std::vector<float> values(3);
  Context(kGpu).copy_to_host(values.data(), memory, 3 * sizeof(float));
  release(kGpu, memory);
  for (const float value : values) EXPECT_TRUE(std::isnan(value));
}

TEST(DeviceMemory, OutOfItSaysHowMuchWasWanted) {
  cuda_emulator::set_memory(std::size_t{100} << 20);
  EXPECT_THAT([] { release(kGpu, allocate(kGpu, std::size_t{101} << 20)); },
              ThrowsMessage<std::bad_alloc>(
                  AllOf(StartsWith("device cuda is out of memory: 105906176 bytes wanted, "),
                        HasSubstr(" of 104857600 free"))));
  cuda_emulator::set_memory(std::size_t{4} << 30);
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << "the next launch is not blamed";
}

TEST(DeviceMemory, RefusesCopiesThatLeaveTheirAllocation) {
  Context context(kGpu);
  Buffer<int> three(kGpu, 3);
  std::vector<int> four(4);
  EXPECT_THAT([&] { context.copy_to_host(four.data(), three.data(), 4 * sizeof(int)); },
              ThrowsMessage<std::runtime_error>(
                  HasSubstr("16 bytes of device memory are not in one allocation")));
  EXPECT_THAT([&] { context.copy_on_device(three.data(), four.data(), sizeof(int)); },
              ThrowsMessage<std::runtime_error>(
                  HasSubstr("a pointer that should lead to device memory does not")));
  EXPECT_THAT([&] { context.copy_to_host(three.data(), three.data(), sizeof(int)); },
              ThrowsMessage<std::runtime_error>(
                  HasSubstr("a pointer that should lead to host memory does not")));
  static_cast<void>(cudaGetLastError());
}

TEST(DeviceMemory, CanBeUsedAgainAndAgain) {
  // More than there is, in all, and more than is kept back for a while.
  for (int i = 0; i < 200; ++i) {
    Buffer<float> values(kGpu, std::int64_t{1} << 16 << i % 4);
    ASSERT_NE(values.data(), nullptr);
  }
}

__global__ void write_at(int place, int* values) { values[place] = 1; }

#if defined(__SANITIZE_ADDRESS__)
TEST(DeviceMemoryDeathTest, AKernelOutsideItsAllocationStopsUnderAsan) {
  Buffer<int> values(kGpu, 10);
  const auto run = [&](int place) {
    Context context(kGpu);
    launch(context, "write_at", LaunchShape{{1}, {1}}, write_at, place, values.data());
    context.synchronize();
  };
  run(9);
  EXPECT_DEATH(run(10), "AddressSanitizer.*write_at");
  EXPECT_DEATH(run(40), "AddressSanitizer.*write_at");
}

__global__ void write_dynamic(int place) {
  REDOUBT_DYNAMIC_SHARED(int, values);
  values[place] = 1;
}

TEST(DeviceMemoryDeathTest, AKernelOutsideItsSharedMemoryStopsUnderAsan) {
  Context context(kGpu);
  const auto run = [&](int place) {
    launch(context, "write_dynamic", LaunchShape{{1}, {1}, 10 * sizeof(int)}, write_dynamic, place);
    context.synchronize();
  };
  run(9);
  EXPECT_DEATH(run(10), "AddressSanitizer.*heap-buffer-overflow");
}
#else
TEST(DeviceMemory, ReportsAKernelThatWroteBehindAnAllocation) {
  Context context(kGpu);
  Buffer<int> values(kGpu, 10);
  launch(context, "write_at", LaunchShape{{1}, {1}}, write_at, 9, values.data());
  EXPECT_EQ(failure_of(context), "");
  launch(context, "write_at", LaunchShape{{1}, {1}}, write_at, 10, values.data());
  EXPECT_THAT(failure_of(context),
              HasSubstr("kernel \"write_at\" wrote behind the end of an allocation of 40 bytes"));
}

TEST(DeviceMemoryDeathTest, FaultsWhenHostCodeTouchesIt) {
  Buffer<int> values(kGpu, 10);
  EXPECT_DEATH(std::memset(values.data(), 0, values.bytes()), "host code touched device memory");
}
#endif

TEST(DeviceMemory, KernelsRefuseHostPointers) {
  Context context(kGpu);
  int on_host = 0;
  EXPECT_THAT(
      [&] {
        launch(context, "write_at", LaunchShape{{1}, {1}}, write_at, 0, &on_host);
      },
      ThrowsMessage<std::runtime_error>(
          AllOf(HasSubstr("kernel \"write_at\""), HasSubstr("argument 2 leads to host memory"))));
}

TEST(DeviceMemory, PinnedHostMemoryIsOpenToKernels) {
  Context context(kGpu);
  int* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 4 * sizeof(int)), cudaSuccess);
  pinned[2] = 0;
  launch(context, "write_at", LaunchShape{{1}, {1}}, write_at, 2, pinned);
  context.synchronize();
  EXPECT_EQ(pinned[2], 1);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST(DeviceMemory, FreeingWhatIsNotAllocatedIsAnError) {
  int on_host = 0;
  EXPECT_EQ(cudaFree(&on_host), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

}  // namespace

}  // namespace redoubt::test
