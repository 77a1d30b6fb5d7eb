#include "engine/fleet_evaluator.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "engine/pass_width.h"

namespace redoubt {

using kernels::LossTotals;
using kernels::Sample;

namespace {

/// A run asks the same few questions after every round: the clean test images, the stamped ones,
/// the server's own.
constexpr std::size_t kMostKnown = 4;

}  // namespace

FleetEvaluator::FleetEvaluator(const Network& network, const kernels::ImageSource& source,
                               Context& context, Workspace& workspace)
    : network_(network),
      source_(source),
      context_(context),
      workspace_(workspace),
      steps_(context.device(), workspace.replicas()),
      last_epoch_(context.device(), workspace.replicas()),
      step_(context.device(), 1),
      batch_samples_(context.device(), std::int64_t{workspace.replicas()} * workspace.batch()),
      keys_(context.device(), workspace.replicas()),
      active_(context.device(), workspace.replicas()) {
  const auto replicas = static_cast<std::size_t>(workspace.replicas());
  steps_.upload(std::vector(replicas, std::numeric_limits<std::int32_t>::max()));
  last_epoch_.upload(std::vector<std::int32_t>(replicas, -1));
}

void FleetEvaluator::evaluate(const ModelVariants& variants, std::span<const Sample> samples,
                              std::span<LossTotals> totals) {
  std::fill(totals.begin(), totals.end(), LossTotals());
  if (samples.empty()) return;
  check(variants.inputs.size() <= 1 ||
            (std::ssize(variants.inputs) == variants.count && variants.first_layer == 0),
        "variants hear one range or one each, and then share no layer");
  const int passes = make_plan(samples);
  const std::int64_t count = std::int64_t{variants.count} * replicas_;
  if (totals_.count() < count) totals_ = {context_.device(), count};
  context_.fill_zero(totals_.data(), totals_.bytes());
  context_.fill_zero(step_.data(), step_.bytes());
  kernels::Replay& replay = replay_of({.variants = variants,
                                       .plan = {.replicas = replicas_,
                                                .batch = batch_,
                                                .samples = planned_samples_.data(),
                                                .steps = steps_.data(),
                                                .last_epoch = last_epoch_.data()},
                                       .totals = totals_.data()});
  for (int pass = 0; pass < passes; ++pass) replay.run();

  sums_.resize(count);
  context_.copy_to_host(sums_.data(), totals_.data(), sums_.size() * sizeof(LossTotals));
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    totals[i / static_cast<std::size_t>(replicas_)] += sums_[i];
  }
}

/// Lays the list out pass by pass, over as few replicas as the least number of passes needs, and
/// returns that number.
int FleetEvaluator::make_plan(std::span<const Sample> samples) {
  const auto ceiling = [](std::size_t count, std::size_t size) {
    return (count + size - 1) / size;
  };
  // A CPU computes no more images than there are; a GPU replays as few passes as it can.
  batch_ = is_cuda(context_.device()) ? workspace_.batch()
                                      : pass_width(samples.size(), workspace_.batch());
  const auto batch = static_cast<std::size_t>(batch_);
  const auto most = static_cast<std::size_t>(workspace_.replicas());
  const std::size_t batches = ceiling(samples.size(), batch);
  const std::size_t passes = ceiling(batches, most);
  const std::size_t replicas = ceiling(batches, passes);
  replicas_ = static_cast<int>(replicas);
  samples_.assign(passes * replicas * batch, Sample());
  std::copy(samples.begin(), samples.end(), samples_.begin());
  upload(context_, samples_, planned_samples_);
  return static_cast<int>(passes);
}

kernels::Replay& FleetEvaluator::replay_of(const PassIdentity& pass) {
  const auto found = std::find_if(known_.begin(), known_.end(),
                                  [&](const Known& known) { return known.pass == pass; });
  if (found != known_.end()) return found->replay;
  if (known_.size() == kMostKnown) known_.pop_front();
  known_.emplace_back(context_, pass, *this);
  return known_.back().replay;
}

void FleetEvaluator::issue(const PassIdentity& pass) {
  const ModelVariants& variants = pass.variants;
  const int replicas = pass.plan.replicas;
  const int batch = pass.plan.batch;
  const kernels::StepState state = {.step = step_.data(),
                                    .batch = batch_samples_.data(),
                                    .keys = keys_.data(),
                                    .active = active_.data()};
  kernels::begin_step(context_, pass.plan, state);
  const auto read = [&](const kernels::ByteRange& inputs) {
    kernels::gather(context_, source_.within(inputs), replicas, batch,
                    batch_samples_.replicas(batch), workspace_.activation(0), workspace_.labels());
  };
  Pass forward = {.context = context_, .replicas = replicas, .batch = batch};
  for (int v = 0; v < variants.count; ++v) {
    const kernels::ByteRange inputs = variants.inputs_of(v);
    if (v == 0 || !(inputs == variants.inputs_of(v - 1))) read(inputs);
    forward.parameters = {variants.parameters[v], 0};
    if (variants.masks) forward.masks = {variants.masks[v], 0};
    network_.forward(forward, workspace_, v == 0 ? 0 : variants.first_layer);
    kernels::softmax_cross_entropy(
        context_, {.replicas = replicas, .classes = network_.classes(), .batch = batch},
        workspace_.logits(), workspace_.labels(), {}, pass.totals + std::ptrdiff_t{v} * replicas);
  }
  kernels::end_step(context_, state);
}

}  // namespace redoubt
