// Streams, events and graphs of the emulated GPU.
#include <gmock/gmock.h>

#include "kernels/replay.h"
#include "tests/cuda_emulator/gpu_array.h"

namespace redoubt::test {

namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchShape;
using testing::HasSubstr;
using testing::ThrowsMessage;

__global__ void increase(int* value) { ++*value; }
__global__ void twice(int* value) { *value *= 2; }

/// On any stream, past the Context.
void enqueue(const char* name, void (*kernel)(int*), int* value, cudaStream_t stream) {
  cuda_emulator::launch(name, 1, 1, 0, stream, kernel, value);
}

TEST(Stream, WorksWhenSomebodyWaits) {
  cuda_emulator::set_eager(false);
  Context context(kGpu);
  Buffer<int> value(kGpu, 1);
  context.synchronize();
  const auto before = cuda_emulator::counters().launches;
  launch(context, "increase", LaunchShape{}, increase, value.data());
  EXPECT_EQ(cuda_emulator::counters().launches, before);
  EXPECT_EQ(cudaStreamQuery(kernels::cuda::stream(context)), cudaErrorNotReady);
  context.synchronize();
  EXPECT_EQ(cuda_emulator::counters().launches, before + 1);
  EXPECT_EQ(cudaStreamQuery(kernels::cuda::stream(context)), cudaSuccess);
}

TEST(Stream, WorksAtOnceIfEager) {
  Context context(kGpu);
  Buffer<int> value(kGpu, 1);
  cuda_emulator::set_eager(true);
  const auto before = cuda_emulator::counters().launches;
  launch(context, "increase", LaunchShape{}, increase, value.data());
  EXPECT_EQ(cuda_emulator::counters().launches, before + 1);
  cuda_emulator::set_eager(false);
}

TEST(Stream, ContextsOfADeviceShareTheOrderOfTheirWork) {
  Context one(kGpu);
  Context other(kGpu);
  Buffer<int> value(kGpu, 1);
  launch(one, "increase", LaunchShape{}, increase, value.data());
  launch(other, "twice", LaunchShape{}, twice, value.data());
  launch(one, "increase", LaunchShape{}, increase, value.data());
  EXPECT_EQ(value.download()[0], 3);
}

TEST(Stream, CopiesPageableMemoryAsItIsWhenAsked) {
  Context context(kGpu);
  Buffer<int> value(kGpu, 1);
  int on_host = 5;
  context.copy_to_device(value.data(), &on_host, sizeof(int));
  on_host = 6;
  EXPECT_EQ(value.download()[0], 5);
}

TEST(Stream, ReadsPinnedMemoryOnlyWhenItsTurnComes) {
  cuda_emulator::set_eager(false);
  Context context(kGpu);
  Buffer<int> value(kGpu, 1);
  int* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, sizeof(int)), cudaSuccess);
  *pinned = 5;
  ASSERT_EQ(cudaMemcpyAsync(value.data(), pinned, sizeof(int), cudaMemcpyHostToDevice,
                            kernels::cuda::stream(context)),
            cudaSuccess);
  *pinned = 6;  // a bug that a GPU may or may not show
  EXPECT_EQ(value.download()[0], 6);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST(Event, MakesAStreamWaitForAnother) {
  Buffer<int> value(kGpu, 1);
  Context(kGpu).synchronize();
  cudaStream_t first = nullptr;
  cudaStream_t second = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaStreamCreate(&first), cudaSuccess);
  ASSERT_EQ(cudaStreamCreate(&second), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  enqueue("increase", increase, value.data(), first);
  ASSERT_EQ(cudaEventRecord(event, first), cudaSuccess);
  enqueue("increase", increase, value.data(), first);
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  ASSERT_EQ(cudaStreamWaitEvent(second, event), cudaSuccess);
  enqueue("twice", twice, value.data(), second);
  ASSERT_EQ(cudaStreamSynchronize(second), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  EXPECT_EQ(value.download()[0], 2) << "what came before the event, and no more";
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(value.download()[0], 3);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(first), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(second), cudaSuccess);
}

TEST(Graph, ReplaysWhatItsCaptureSaw) {
  Context context(kGpu);
  const cudaStream_t stream = kernels::cuda::stream(context);
  Buffer<int> values(kGpu, 2);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch(context, "increase", LaunchShape{}, increase, values.data());
  launch(context, "twice", LaunchShape{}, twice, values.data());
  context.copy_on_device(values.data() + 1, values.data(), sizeof(int));
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(values.download(), (std::vector<int>{0, 0})) << "a capture does nothing";

  std::size_t nodes = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 3U);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
  EXPECT_EQ(values.download(), (std::vector<int>{14, 14}));
  ASSERT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
}

TEST(Graph, CaptureRefusesWhatCudaRefuses) {
  Context context(kGpu);
  const cudaStream_t stream = kernels::cuda::stream(context);
  context.scratch(64);
  cudaGraph_t graph = nullptr;
  const auto begin = [&] {
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  };
  const auto expect_invalid = [&] {
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    static_cast<void>(cudaGetLastError());
  };
  begin();
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 16), cudaErrorStreamCaptureUnsupported);
  expect_invalid();
  begin();
  EXPECT_THAT([&] { context.synchronize(); },
              ThrowsMessage<std::runtime_error>(HasSubstr("being captured")));
  expect_invalid();
  begin();
  int on_host = 0;
  EXPECT_EQ(
      cudaMemcpyAsync(context.scratch(64), &on_host, sizeof(int), cudaMemcpyHostToDevice, stream),
      cudaErrorStreamCaptureUnsupported);
  expect_invalid();
}

TEST(Graph, ScratchMayNotGrowWhileAStepIsCaptured) {
  Context context(kGpu);
  const cudaStream_t stream = kernels::cuda::stream(context);
  context.scratch(64);
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_NO_THROW(context.scratch(64));
  EXPECT_THAT(
      [&] { context.scratch(65); },
      ThrowsMessage<std::logic_error>(HasSubstr("scratch memory grows inside a graph's capture")));
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST(Replay, IsRecordedAnewWhenScratchMemoryHasMoved) {
  Context context(kGpu);
  Buffer<int> sum(kGpu, 1);
  int recordings = 0;
  const void* recorded = nullptr;
  kernels::Replay replay(context, [&] {
    int* spare = context.scratch_of<int>(1);
    recorded = spare;
    ++recordings;
    context.copy_on_device(spare, sum.data(), sizeof(int));
    launch(context, "increase", LaunchShape{}, increase, spare);
    context.copy_on_device(sum.data(), spare, sizeof(int));
  });
  for (int i = 0; i < 3; ++i) replay.run();
  const int before = sum.download()[0];
  EXPECT_EQ(before, 3);
  EXPECT_EQ(recordings, 2) << "once as it is, once into the graph";
  const void* address = context.scratch_address();
  for (std::size_t bytes = 4096; context.scratch_address() == address; bytes *= 2) {
    context.scratch(bytes);
  }
  for (int i = 0; i < 3; ++i) replay.run();
  EXPECT_EQ(sum.download()[0], 2 * before);
  EXPECT_EQ(recordings, 3);
  EXPECT_EQ(recorded, context.scratch_address());
}

TEST(Errors, QuoteTheCallThatFailed) {
  EXPECT_THAT([] { REDOUBT_CUDA_CHECK(cudaSetDevice(7)); },
              ThrowsMessage<std::runtime_error>(testing::AllOf(
                  HasSubstr("streams_test.cpp:"), HasSubstr("cudaSetDevice(7) failed: "
                                                            "cudaErrorInvalidDevice, "
                                                            "invalid device ordinal"))));
  static_cast<void>(cudaGetLastError());
  EXPECT_THAT([] { REDOUBT_CUDA_CHECK(CUBLAS_STATUS_NOT_SUPPORTED); },
              ThrowsMessage<std::runtime_error>(
                  HasSubstr("CUBLAS_STATUS_NOT_SUPPORTED failed: CUBLAS_STATUS_NOT_SUPPORTED")));
}

}  // namespace

}  // namespace redoubt::test
