#include "kernels/replay.h"

#include <utility>

namespace redoubt::kernels {

struct Replay::Graph {
  explicit Graph(cuda::GraphHandle* recorded) : handle(recorded) {}
  ~Graph() {
    if constexpr (kCudaBuilt) cuda::release(handle);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  cuda::GraphHandle* handle;
};

Replay::Replay(Context& context, std::function<void()> operations)
    : context_(context), operations_(std::move(operations)) {}

Replay::~Replay() = default;

void Replay::run() {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context_) && ran_) {
      if (!graph_ || scratch_ != context_.scratch_address()) {
        graph_ = std::make_unique<Graph>(cuda::record(context_, operations_));
        scratch_ = context_.scratch_address();
      }
      cuda::replay(context_, graph_->handle);
      return;
    }
  }
  operations_();
  ran_ = true;
}

}  // namespace redoubt::kernels
