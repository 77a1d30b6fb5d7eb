// Trains rows of a fleet side by side: every operation of a step runs once for all of them, and on
// a GPU the steps of a round need nothing of the host.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/fleet.h"
#include "engine/train_step.h"
#include "kernels/replay.h"
#include "kernels/step.h"

namespace redoubt {

/// One client's training in one round.
struct TrainingTask {
  int row = 0;  ///< the client's row of the fleet: its start and, afterwards, its result
  /// Epochs laid end to end, each of samples.size() / epochs samples in the order to visit them.
  /// The last batch of an epoch may be smaller. Empty: the row stays as it is.
  std::span<const kernels::Sample> samples = {};
  int epochs = 1;
  int batch = 64;  ///< at most the executor's
  OptimizerSettings optimizer = {};
  const Loss* loss = &softmax_cross_entropy_loss();
  Terms terms = {};
  kernels::ByteRange inputs = {};  ///< what the model hears of an image
  RandomKey key = {};              ///< for dropout; the step is filled in
};

/// Whether the second task can be trained in the same operations, in the row after the first's.
bool can_follow(const TrainingTask& first, const TrainingTask& second);

class FleetTrainer {
 public:
  /// `batch`: images a step and row, at most. Memory and, on a CPU, arithmetic are of as many as
  /// the tasks' batches have. All must outlive the trainer.
  FleetTrainer(const Network& network, const kernels::ImageSource& source, Context& context,
               int batch);

  /// Trains rows that follow one another (see can_follow) from their values in the fleet; optimizer
  /// state starts as 0. A row whose client has run out of batches stays as it is. Writes each
  /// task's totals over its last epoch, each batch's loss taken before its update. Allocates
  /// nothing once it has done as many rows and steps before.
  void train(Fleet& fleet, std::span<const TrainingTask> tasks,
             kernels::Replicas<const float> masks, std::span<kernels::LossTotals> totals);

  /// train() in its parts, for who measures them. begin() returns how many steps the longest task
  /// takes; step() takes the next one, on a GPU without waiting for it; finish() waits and writes
  /// the totals. There must be a task.
  int begin(Fleet& fleet, std::span<const TrainingTask> tasks,
            kernels::Replicas<const float> masks);
  void step();
  void finish(std::span<kernels::LossTotals> totals);

 private:
  /// What the addresses and constants of a step depend on.
  struct StepIdentity {
    TrainedRows rows = {};
    kernels::Replicas<const float> masks = {};
    OptimizerSettings optimizer = {};
    const Loss* loss = nullptr;
    Terms terms = {};
    kernels::ByteRange inputs = {};
    kernels::StepPlan plan = {};
    bool operator==(const StepIdentity&) const = default;
  };

  int make_plan(std::span<const TrainingTask> tasks);
  int width_of(std::span<const TrainingTask> tasks) const;
  void prepare(int replicas, int width);
  void issue(const StepIdentity& identity);

  const Network& network_;
  const kernels::ImageSource& source_;
  Context& context_;
  int batch_;
  // Host side of the plan, kept for its memory.
  std::vector<kernels::Sample> samples_;
  std::vector<int> widths_;  ///< [steps]
  std::vector<std::int32_t> steps_;
  std::vector<std::int32_t> last_epoch_;
  std::vector<RandomKey> keys_;
  // Device side: the plan and what a step changes.
  Buffer<kernels::Sample> planned_samples_;
  Buffer<std::int32_t> planned_steps_;
  Buffer<std::int32_t> planned_last_epoch_;
  Buffer<std::int32_t> step_;
  Buffer<kernels::Sample> batch_samples_;
  Buffer<RandomKey> batch_keys_;
  Buffer<std::uint8_t> active_;
  Buffer<kernels::LossTotals> totals_;
  std::optional<Workspace> workspace_;
  StepIdentity identity_;
  std::optional<kernels::Replay> replay_;
};

}  // namespace redoubt
