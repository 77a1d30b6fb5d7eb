// Operations that are asked for again and again with the same arguments: on CUDA they become a
// graph that is replayed with one call, so that the host's time per step does not grow with their
// number.
#pragma once

#include <functional>
#include <memory>

#include "kernels/device.h"

namespace redoubt::kernels {

class Replay {
 public:
  /// `operations` asks the context for the same work with the same addresses each time it is
  /// called; only what lies in device memory may differ between calls. The context must outlive
  /// this.
  Replay(Context& context, std::function<void()> operations);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  /// Does the operations once more. The first time they are called as they are, so that whatever
  /// must be allocated is; on CUDA, the second time records them. They are recorded anew when
  /// others have made the context's scratch memory grow.
  void run();

 private:
  struct Graph;

  Context& context_;
  std::function<void()> operations_;
  bool ran_ = false;
  const void* scratch_ = nullptr;  ///< the context's, as recorded
  std::unique_ptr<Graph> graph_;
};

namespace cuda {
struct GraphHandle;  ///< an executable CUDA graph
/// Records what `operations` asks of the device's stream, without doing it.
GraphHandle* record(Context& context, const std::function<void()>& operations);
void replay(Context& context, GraphHandle* graph);
void release(GraphHandle* graph) noexcept;
}  // namespace cuda

}  // namespace redoubt::kernels
