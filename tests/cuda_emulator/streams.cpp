// CUDA's runtime: streams, events, graphs.
#include <cstdint>
#include <vector>

#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/machine.h"

using cuda_emulator::KernelFailure;
using cuda_emulator::Lock;
using cuda_emulator::Machine;
using cuda_emulator::machine;
using cuda_emulator::Task;

struct CUevent_st {
  CUstream_st* stream = nullptr;  ///< where it was recorded last
  std::uint64_t recorded = 0;     ///< how often somebody asked for a record
  std::uint64_t reached = 0;      ///< how many of those records have been reached
};

struct CUgraph_st {
  std::vector<Task> tasks;
};

struct CUgraphExec_st {
  std::vector<Task> tasks;
};

namespace {

bool is_capturing(const CUstream_st& stream) {
  return stream.capture != cudaStreamCaptureStatusNone;
}

}  // namespace

// ---- Streams ------------------------------------------------------------------------------------

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  Machine& m = machine();
  const Lock lock(m.lock);
  *stream = new CUstream_st;
  m.streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Machine& m = machine();
  const Lock lock(m.lock);
  const cudaError_t finished = m.finish(m.stream(stream));
  if (m.streams.erase(stream) == 0) return m.note(cudaErrorInvalidResourceHandle);
  delete stream;
  return finished;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Machine& m = machine();
  const Lock lock(m.lock);
  CUstream_st& own = m.stream(stream);
  if (is_capturing(own)) {
    own.capture = cudaStreamCaptureStatusInvalidated;
    return m.note(cudaErrorStreamCaptureUnsupported, "waiting for a stream that is being captured");
  }
  return m.finish(own);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Machine& m = machine();
  const Lock lock(m.lock);
  return m.stream(stream).tasks.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  Machine& m = machine();
  const Lock lock(m.lock);
  const cudaError_t allowed = m.allow_in_capture("cudaDeviceSynchronize");
  return allowed == cudaSuccess ? m.finish_all() : allowed;
}

// ---- Events -------------------------------------------------------------------------------------

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned /*flags*/) {
  return cudaEventCreate(event);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Machine& m = machine();
  const Lock lock(m.lock);
  const cudaError_t finished = m.finish_all();  // nobody may reach it later
  delete event;
  return finished;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Machine& m = machine();
  const Lock lock(m.lock);
  event->stream = &m.stream(stream);
  ++event->recorded;
  return m.enqueue(stream, [event] { ++event->reached; });
}

namespace {

/// Runs the stream that recorded the event until the record is reached. Throws KernelFailure.
void wait_for(CUevent_st* event, std::uint64_t record) {
  while (event->reached < record && !event->stream->tasks.empty()) {
    machine().run_first(*event->stream);
  }
}

}  // namespace

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Machine& m = machine();
  const Lock lock(m.lock);
  return event->stream == nullptr ? cudaSuccess : m.finish(*event->stream);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  Machine& m = machine();
  const Lock lock(m.lock);
  return event->reached == event->recorded ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  Machine& m = machine();
  const Lock lock(m.lock);
  *milliseconds = 0;  // emulated time stands still
  const bool done = start->reached == start->recorded && end->reached == end->recorded;
  return done ? cudaSuccess : m.note(cudaErrorNotReady);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  Machine& m = machine();
  const Lock lock(m.lock);
  if (is_capturing(m.stream(stream)) ||
      (event->stream != nullptr && is_capturing(*event->stream))) {
    return m.note(cudaErrorNotSupported, "the emulator captures one stream at a time");
  }
  return m.enqueue(stream, [event, record = event->recorded] { wait_for(event, record); });
}

// ---- Graphs: what a capture saw, to be done again -----------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  Machine& m = machine();
  const Lock lock(m.lock);
  if (stream == nullptr) return m.note(cudaErrorStreamCaptureUnsupported);
  if (is_capturing(*stream)) return m.note(cudaErrorIllegalState);
  stream->capture = cudaStreamCaptureStatusActive;
  stream->mode = mode;
  stream->captured.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Machine& m = machine();
  const Lock lock(m.lock);
  *graph = nullptr;
  if (stream == nullptr || !is_capturing(*stream)) return m.note(cudaErrorIllegalState);
  const bool valid = stream->capture == cudaStreamCaptureStatusActive;
  stream->capture = cudaStreamCaptureStatusNone;
  if (!valid) return m.note(cudaErrorStreamCaptureInvalidated, m.report);
  *graph = new CUgraph_st{std::move(stream->captured)};
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  Machine& m = machine();
  const Lock lock(m.lock);
  *status = m.stream(stream).capture;
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  if (nodes != nullptr) return machine().note(cudaErrorNotSupported);
  *count = graph->tasks.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long /*flags*/) {
  *executable = new CUgraphExec_st{graph->tasks};
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t /*executable*/, cudaStream_t /*stream*/) {
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  Machine& m = machine();
  const Lock lock(m.lock);
  return m.enqueue(stream, [executable] {
    for (const Task& task : executable->tasks) task();
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  Machine& m = machine();
  const Lock lock(m.lock);
  const cudaError_t finished = m.finish_all();
  delete executable;
  return finished;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
