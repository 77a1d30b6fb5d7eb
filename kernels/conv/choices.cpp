#include "kernels/conv/choices.h"

#include <exception>
#include <new>

#include "base/check.h"
#include "kernels/device_cuda.h"

namespace redoubt::kernels {

namespace {

ConvTimer or_default(ConvTimer timer) {
  if constexpr (kCudaBuilt) {
    if (!timer) return cuda::time_milliseconds;
  }
  return timer;
}

}  // namespace

std::string to_string(const ConvTask& task) {
  const ConvShape& s = task.shape;
  std::string text = name_of(task.pass);
  const auto add = [&](const char* before, int number) { text += before + std::to_string(number); };
  add(" ", s.replicas);
  add(" x ", s.in_channels);
  add("x", s.height);
  add("x", s.width);
  add("x", s.batch);
  add(" to ", s.out_channels);
  add(" by ", s.kernel_height);
  add("x", s.kernel_width);
  add("/", s.stride);
  add("+", s.padding);
  text += std::string(" ") + name_of(task.precision);
  if (task.shared_input) text += " shared-input";
  if (task.shared_weight) text += " shared-weight";
  return text;
}

const char* to_string(ConvEngine engine) {
  return engine == ConvEngine::automatic ? "automatic" : conv_engine_entry(engine).name;
}

std::optional<ConvEngine> engine_named(std::string_view name) {
  for (const auto& [known, engine] : kConvEngineNames) {
    if (known == name && engine != ConvEngine::automatic) return engine;
  }
  return {};
}

ConvChoices::ConvChoices(ConvMemory* memory, ConvTimer timer)
    : memory_(memory), timer_(or_default(std::move(timer))) {}

ConvEngine ConvChoices::choose(Context& context, const ConvTask& task,
                               std::span<const ConvEngine> candidates,
                               const std::function<void(Context&)>& run) {
  const std::string name = to_string(task);
  const std::scoped_lock lock(lock_);
  const auto found = chosen_.find(name);
  if (found != chosen_.end()) return found->second;

  std::optional<ConvEngine> engine = memory_ == nullptr ? std::nullopt : memory_->recall(name);
  if (!engine || !is_built(*engine)) {
    const std::vector<ConvTiming> timings = measure(context, candidates, run);
    const ConvTiming* fastest = nullptr;
    for (const ConvTiming& timing : timings) {
      if (!timing.milliseconds) continue;
      if (fastest == nullptr || *timing.milliseconds < *fastest->milliseconds) fastest = &timing;
    }
    engine = memory_ == nullptr ? fastest->engine : memory_->settle(name, timings, fastest->engine);
  }
  chosen_[name] = *engine;
  return *engine;
}

/// One engine at least could.
std::vector<ConvTiming> ConvChoices::measure(Context& context,
                                             std::span<const ConvEngine> candidates,
                                             const std::function<void(Context&)>& run) const {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      cuda::check_not_capturing(context.device(), "the search for a convolution's engine");
    }
  }
  check(!candidates.empty() && timer_ != nullptr, "there is an engine and a clock");
  std::vector<ConvTiming> timings;
  std::exception_ptr reason;
  bool one_can = false;
  for (const ConvEngine engine : candidates) {
    ConvTiming timing = {.engine = engine, .milliseconds = {}};
    try {
      // A context of its own: what the slower engines need as scratch is given back.
      Context trial(context.device(), context.threads(),
                    {.precision = context.precision(), .conv_engine = engine});
      timing.milliseconds = timer_(trial, [&] { run(trial); });
      one_can = true;
    } catch (const Unsupported&) {
      reason = std::current_exception();
    } catch (const std::bad_alloc&) {
      reason = std::current_exception();
    }
    timings.push_back(timing);
  }
  if (!one_can) std::rethrow_exception(reason);
  return timings;
}

}  // namespace redoubt::kernels
