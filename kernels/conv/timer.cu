// How long something takes on a GPU.
#include <algorithm>
#include <limits>

#include "kernels/conv/choices.h"
#include "kernels/launch.h"
#include "kernels/replay.h"

namespace redoubt::kernels::cuda {

namespace {

constexpr int kRunsOfGraph = 4;
constexpr int kReplays = 3;

class Event {
 public:
  Event() { REDOUBT_CUDA_CHECK(cudaEventCreate(&event_)); }
  ~Event() { static_cast<void>(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

double time_milliseconds(Context& context, const std::function<void()>& run) {
  run();  // whatever must be allocated is; and the first replay below finds warm caches
  const std::unique_ptr<GraphHandle, void (*)(GraphHandle*) noexcept> graph(
      record(context,
             [&] {
               for (int i = 0; i < kRunsOfGraph; ++i) run();
             }),
      release);
  const Event start;
  const Event end;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kReplays; ++i) {
    REDOUBT_CUDA_CHECK(cudaEventRecord(start, stream(context)));
    replay(context, graph.get());
    REDOUBT_CUDA_CHECK(cudaEventRecord(end, stream(context)));
    REDOUBT_CUDA_CHECK(cudaEventSynchronize(end));
    float milliseconds = 0;
    REDOUBT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start, end));
    best = std::min(best, static_cast<double>(milliseconds) / kRunsOfGraph);
  }
  return best;
}

}  // namespace redoubt::kernels::cuda
