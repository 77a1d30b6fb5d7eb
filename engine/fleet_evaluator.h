// Runs a network over a list of samples without learning, batch after batch, as FleetTrainer
// trains: the list is uploaded once, on a GPU a pass is a graph that is replayed, and the totals
// come back once.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "engine/network.h"
#include "kernels/gather.h"
#include "kernels/loss.h"
#include "kernels/replay.h"
#include "kernels/step.h"

namespace redoubt {

/// Models to be compared on the same images: rows of parameters under rows of masks, either shared
/// (pitch 0) or one each. Layers below `first_layer` agree in all, so they run once a batch.
struct ModelVariants {
  int count = 1;
  kernels::Replicas<const float> parameters = {};
  kernels::Replicas<const float> masks = {};  ///< absent: every channel is heard
  int first_layer = 0;
  /// What they hear of an image: one range for all, or one each (then first_layer is 0); empty:
  /// all of it.
  std::vector<kernels::ByteRange> inputs = {};

  kernels::ByteRange inputs_of(int variant) const {
    if (inputs.empty()) return {};
    return inputs.size() == 1 ? inputs.front() : inputs[variant];
  }
  bool operator==(const ModelVariants&) const = default;
};

class FleetEvaluator {
 public:
  /// Evaluates in the workspace, as many batches side by side as it has replicas. All must outlive
  /// the evaluator.
  FleetEvaluator(const Network& network, const kernels::ImageSource& source, Context& context,
                 Workspace& workspace);

  /// Overwrites totals [variants.count] with each variant's totals over the samples.
  void evaluate(const ModelVariants& variants, std::span<const kernels::Sample> samples,
                std::span<kernels::LossTotals> totals);

 private:
  /// What the addresses and constants of a pass depend on.
  struct PassIdentity {
    ModelVariants variants = {};
    kernels::StepPlan plan = {};
    kernels::LossTotals* totals = nullptr;
    bool operator==(const PassIdentity&) const = default;
  };
  struct Known {
    Known(Context& context, const PassIdentity& identity, FleetEvaluator& owner)
        : pass(identity), replay(context, [this, &owner] { owner.issue(pass); }) {}
    PassIdentity pass;
    kernels::Replay replay;
  };

  int make_plan(std::span<const kernels::Sample> samples);
  kernels::Replay& replay_of(const PassIdentity& pass);
  void issue(const PassIdentity& pass);

  const Network& network_;
  const kernels::ImageSource& source_;
  Context& context_;
  Workspace& workspace_;
  int replicas_ = 0;  ///< side by side for the present list
  int batch_ = 0;     ///< images of a pass and replica for it
  std::vector<kernels::Sample> samples_;
  std::vector<kernels::LossTotals> sums_;
  Buffer<kernels::Sample> planned_samples_;
  Buffer<std::int32_t> steps_;       ///< [R] no replica is ever done
  Buffer<std::int32_t> last_epoch_;  ///< [R] -1: the totals grow from the first pass to the last
  Buffer<std::int32_t> step_;
  Buffer<kernels::Sample> batch_samples_;
  Buffer<RandomKey> keys_;              ///< nothing is random here; a step has them
  Buffer<std::uint8_t> active_;         ///< likewise
  Buffer<kernels::LossTotals> totals_;  ///< [variants][R]
  std::deque<Known> known_;
};

}  // namespace redoubt
