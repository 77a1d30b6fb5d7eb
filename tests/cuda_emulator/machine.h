// The emulated GPU: its memory, its streams and the errors it has met. One lock guards all of it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cuda_emulator/runtime_api.h"
#include "tests/cuda_emulator/memory.h"

namespace cuda_emulator {

/// One thing that a stream does. Throws KernelFailure if it fails.
using Task = std::function<void()>;

}  // namespace cuda_emulator

struct CUstream_st {
  std::deque<cuda_emulator::Task> tasks;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::vector<cuda_emulator::Task> captured;
};

namespace cuda_emulator {

class Machine {
 public:
  std::recursive_mutex lock;
  DeviceMemory memory;
  std::map<void*, std::size_t> pinned;  ///< host memory that the device may use, with its size
  std::set<CUstream_st*> streams;
  bool eager = false;

  /// A null handle is the stream that CUDA has from the start.
  CUstream_st& stream(cudaStream_t handle) { return handle == nullptr ? default_stream_ : *handle; }

  /// Keeps an error for cudaGetLastError() and, with a report, for cudaGetErrorString().
  cudaError_t note(cudaError_t error, const std::string& report = {});
  cudaError_t last_error = cudaSuccess;
  cudaError_t reported_error = cudaSuccess;
  std::string report;

  /// Asks a stream to do something, now or later; into the graph if the stream is being captured.
  cudaError_t enqueue(cudaStream_t handle, Task task);
  /// Does all that a stream, or every stream, was asked for. After a failure all streams forget
  /// what they were asked for.
  cudaError_t finish(CUstream_st& stream);
  cudaError_t finish_all();
  /// Runs a stream's first task. Throws KernelFailure.
  void run_first(CUstream_st& stream);
  /// cudaSuccess, unless a stream that is being captured forbids what `call` does.
  cudaError_t allow_in_capture(const char* call);

  bool is_pinned(const void* pointer) const;

 private:
  CUstream_st default_stream_;
};

Machine& machine();
using Lock = std::scoped_lock<std::recursive_mutex>;

}  // namespace cuda_emulator
