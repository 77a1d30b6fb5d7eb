// CUDA graphs.
#include "kernels/replay.h"

#include "kernels/launch.h"

namespace redoubt::kernels::cuda {

struct GraphHandle {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
};

namespace {

/// Leaves capture mode also when an operation throws.
cudaGraph_t capture(cudaStream_t stream, const std::function<void()>& operations) {
  REDOUBT_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  cudaGraph_t graph = nullptr;
  try {
    operations();
  } catch (...) {
    static_cast<void>(cudaStreamEndCapture(stream, &graph));
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
    throw;
  }
  REDOUBT_CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  return graph;
}

}  // namespace

GraphHandle* record(Context& context, const std::function<void()>& operations) {
  auto handle = std::make_unique<GraphHandle>();
  handle->graph = capture(stream(context), operations);
  const cudaError_t error = cudaGraphInstantiate(&handle->executable, handle->graph, 0);
  if (error != cudaSuccess) {
    static_cast<void>(cudaGraphDestroy(handle->graph));
    check_call(error, "cudaGraphInstantiate(&handle->executable, handle->graph, 0)");
  }
  return handle.release();
}

void replay(Context& context, GraphHandle* graph) {
  REDOUBT_CUDA_CHECK(cudaGraphLaunch(graph->executable, stream(context)));
}

void release(GraphHandle* graph) noexcept {
  static_cast<void>(cudaGraphExecDestroy(graph->executable));
  static_cast<void>(cudaGraphDestroy(graph->graph));
  delete graph;
}

}  // namespace redoubt::kernels::cuda
