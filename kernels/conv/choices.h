// Which engine computes which convolution on CUDA under ConvEngine::automatic: a measured search,
// once for each shape, pass and precision, before any graph is captured.
//
// Engines differ in the last bits and timing is noisy, so a choice must outlive the process that
// measured it, or the same seed would not give the same bits: see ConvMemory.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/conv/engines.h"

namespace redoubt::kernels {

enum class ConvPass : std::uint8_t { forward, backward_input, backward_weight };
constexpr Names<ConvPass, 3> names_of(ConvPass) {
  return {{{"forward", ConvPass::forward},
           {"backward-input", ConvPass::backward_input},
           {"backward-weight", ConvPass::backward_weight}}};
}

/// What a choice depends on.
struct ConvTask {
  ConvPass pass = ConvPass::forward;
  ConvShape shape = {};
  Precision precision = Precision::fp32;
  bool shared_input = false;   ///< by all replicas
  bool shared_weight = false;  ///< by all replicas
};

/// For example "forward 10 x 1x28x28x64 to 20 by 5x5/1+0 tf32": replicas, input [C][H][W][N],
/// output channels, kernel, stride, padding; then what is shared.
std::string to_string(const ConvTask& task);

const char* to_string(ConvEngine engine);
/// Nothing if no engine has the name, or none that computes (automatic).
std::optional<ConvEngine> engine_named(std::string_view name);

struct ConvTiming {
  ConvEngine engine;
  std::optional<double> milliseconds;  ///< absent: the engine cannot, or has not the memory
};

/// What is known of choices from elsewhere, and who keeps new ones. Asked once a task by each
/// ConvChoices.
class ConvMemory {
 public:
  virtual ~ConvMemory() = default;
  /// The engine to use, if that was settled before; then nothing is measured.
  virtual std::optional<ConvEngine> recall(const std::string& task) = 0;
  /// Keeps what was measured. Returns the engine to use: `fastest`, or another that somebody has
  /// settled on in the meantime.
  virtual ConvEngine settle(const std::string& task, std::span<const ConvTiming> timings,
                            ConvEngine fastest) = 0;
};

/// Milliseconds that `run` takes on the context's device. Throws what `run` throws.
using ConvTimer = std::function<double(Context& context, const std::function<void()>& run)>;

/// The engines of a process' convolutions. May be used by several Contexts and threads.
class ConvChoices {
 public:
  /// Without a memory choices last as long as this object; without a timer, CUDA's clock measures.
  /// The memory must outlive this.
  explicit ConvChoices(ConvMemory* memory = nullptr, ConvTimer timer = {});

  /// The engine for a task. The first time it is recalled or measured: `run` computes the task with
  /// whatever context it is given, and computes it several times. Of equally fast engines the first
  /// candidate wins. Throws std::logic_error if that is inside a graph's capture, and what the last
  /// engine threw if none can.
  ConvEngine choose(Context& context, const ConvTask& task, std::span<const ConvEngine> candidates,
                    const std::function<void(Context&)>& run);

 private:
  std::vector<ConvTiming> measure(Context& context, std::span<const ConvEngine> candidates,
                                  const std::function<void(Context&)>& run) const;

  ConvMemory* memory_;
  ConvTimer timer_;
  std::mutex lock_;
  std::map<std::string, ConvEngine> chosen_;
};

namespace cuda {
/// By CUDA's events around replays of a graph, as a training step runs, so that the host's time
/// does not count. The best of a few.
double time_milliseconds(Context& context, const std::function<void()>& run);
}  // namespace cuda

}  // namespace redoubt::kernels
