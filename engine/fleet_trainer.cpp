#include "engine/fleet_trainer.h"

#include <algorithm>

#include "base/check.h"
#include "engine/pass_width.h"
#include "kernels/profile.h"

namespace redoubt {

using kernels::LossTotals;
using kernels::Sample;

namespace {

template <class T>
void fill_zero(Context& context, Buffer<T>& buffer) {
  context.fill_zero(buffer.data(), buffer.bytes());
}

/// A task's batches: how many an epoch has, and which samples each holds.
struct Batches {
  explicit Batches(const TrainingTask& task)
      : epoch_size(task.samples.size() / static_cast<std::size_t>(task.epochs)),
        batch(static_cast<std::size_t>(task.batch)),
        per_epoch((epoch_size + batch - 1) / batch) {}

  std::span<const Sample> at(const TrainingTask& task, std::size_t step) const {
    const std::size_t first = step % per_epoch * batch;
    return task.samples.subspan(step / per_epoch * epoch_size + first,
                                std::min(batch, epoch_size - first));
  }

  std::size_t epoch_size;
  std::size_t batch;
  std::size_t per_epoch;
};

}  // namespace

bool can_follow(const TrainingTask& first, const TrainingTask& second) {
  return second.row == first.row + 1 && second.optimizer == first.optimizer &&
         second.loss == first.loss && second.terms == first.terms && second.inputs == first.inputs;
}

FleetTrainer::FleetTrainer(const Network& network, const kernels::ImageSource& source,
                           Context& context, int batch)
    : network_(network),
      source_(source),
      context_(context),
      batch_(batch),
      step_(context.device(), 1) {}

void FleetTrainer::train(Fleet& fleet, std::span<const TrainingTask> tasks,
                         kernels::Replicas<const float> masks, std::span<LossTotals> totals) {
  if (tasks.empty()) return;
  const int steps = begin(fleet, tasks, masks);
  for (int s = 0; s < steps; ++s) step();
  finish(totals);
}

int FleetTrainer::begin(Fleet& fleet, std::span<const TrainingTask> tasks,
                        kernels::Replicas<const float> masks) {
  const int replicas = static_cast<int>(tasks.size());
  const TrainingTask& first = tasks.front();
  check(first.row >= 0 && first.row + replicas <= fleet.rows(), "a task's row is in the fleet");
  check(fleet.state_rows() >= state_rows_of(first.optimizer),
        "the fleet has the optimizer's state");
  prepare(replicas, width_of(tasks));
  const int steps = make_plan(tasks);

  const auto rows = [&](kernels::Replicas<float> matrix) {
    return matrix ? matrix.from(first.row) : matrix;
  };
  const auto row_bytes = static_cast<std::size_t>(replicas * fleet.pitch()) * sizeof(float);
  for (int s = 0; s < fleet.state_rows(); ++s) {
    context_.fill_zero(rows(fleet.state(s)).data, row_bytes);
  }
  // Backward passes write every tensor's, but nobody writes what pads them, and the optimizer steps
  // that, too.
  context_.fill_zero(rows(fleet.gradients()).data, row_bytes);
  const StepIdentity identity = {.rows = {.values = rows(fleet.values()),
                                          .gradients = rows(fleet.gradients()),
                                          .first_state = rows(fleet.state(0)),
                                          .second_state = rows(fleet.state(1))},
                                 .masks = masks ? masks.from(first.row) : masks,
                                 .optimizer = first.optimizer,
                                 .loss = first.loss,
                                 .terms = first.terms,
                                 .inputs = first.inputs,
                                 .plan = {.replicas = replicas,
                                          .batch = workspace_->batch(),
                                          .samples = planned_samples_.data(),
                                          .steps = planned_steps_.data(),
                                          .last_epoch = planned_last_epoch_.data()}};
  if (!replay_ || !(identity == identity_)) {
    identity_ = identity;
    replay_.emplace(context_, [this] { issue(identity_); });
  }
  return steps;
}

void FleetTrainer::step() {
  const kernels::ProfileRange range(context_.device(), "step");
  replay_->run();
}

void FleetTrainer::finish(std::span<LossTotals> totals) {
  context_.copy_to_host(totals.data(), totals_.data(), totals.size_bytes());
}

/// Of the widest batch that the tasks have.
int FleetTrainer::width_of(std::span<const TrainingTask> tasks) const {
  int width = 1;
  for (const TrainingTask& task : tasks) {
    check(task.epochs >= 1, "a task has at least one epoch");
    check(task.batch >= 1 && task.batch <= batch_, "a task's batch is at most the executor's");
    const Batches batches(task);
    width = std::max(width, pass_width(std::min(batches.batch, batches.epoch_size), batch_));
  }
  return width;
}

/// Lays the tasks' batches out step by step and returns how many steps the longest task takes.
int FleetTrainer::make_plan(std::span<const TrainingTask> tasks) {
  steps_.clear();
  last_epoch_.clear();
  keys_.clear();
  for (std::size_t r = 0; r < tasks.size(); ++r) {
    const TrainingTask& task = tasks[r];
    check(r == 0 || can_follow(tasks[r - 1], task), "tasks that train together fit together");
    const auto per_epoch = static_cast<std::int32_t>(Batches(task).per_epoch);
    steps_.push_back(per_epoch * task.epochs);
    last_epoch_.push_back(per_epoch * (task.epochs - 1));
    keys_.push_back(task.key);
  }
  const std::int32_t steps = *std::max_element(steps_.begin(), steps_.end());
  const auto batch = static_cast<std::size_t>(workspace_->batch());
  widths_.assign(static_cast<std::size_t>(steps), 1);
  samples_.assign(static_cast<std::size_t>(steps) * tasks.size() * batch, Sample());
  for (std::size_t r = 0; r < tasks.size(); ++r) {
    const Batches batches(tasks[r]);
    for (std::size_t s = 0; s < static_cast<std::size_t>(steps_[r]); ++s) {
      const auto taken = batches.at(tasks[r], s);
      std::copy(taken.begin(), taken.end(),
                samples_.begin() + static_cast<std::ptrdiff_t>((s * tasks.size() + r) * batch));
      widths_[s] = std::max(widths_[s], pass_width(taken.size(), workspace_->batch()));
    }
  }
  upload(context_, samples_, planned_samples_);
  upload(context_, steps_, planned_steps_);
  upload(context_, last_epoch_, planned_last_epoch_);
  upload(context_, keys_, batch_keys_);
  fill_zero(context_, step_);
  fill_zero(context_, totals_);
  return steps;
}

/// The memory of a step of so many replicas, each so many images wide; that of more serves fewer.
void FleetTrainer::prepare(int replicas, int width) {
  if (workspace_) {
    if (workspace_->replicas() >= replicas && workspace_->batch() >= width) return;
    replicas = std::max(replicas, workspace_->replicas());
    width = std::max(width, workspace_->batch());
  }
  const Device device = context_.device();
  replay_.reset();
  workspace_.reset();  // before the new one: two may not fit
  batch_samples_ = {device, std::int64_t{replicas} * width};
  active_ = {device, replicas};
  totals_ = {device, replicas};
  workspace_.emplace(network_, device, replicas, width, true);
}

void FleetTrainer::issue(const StepIdentity& identity) {
  const kernels::StepState state = {.step = step_.data(),
                                    .batch = batch_samples_.data(),
                                    .keys = batch_keys_.data(),
                                    .active = active_.data(),
                                    .totals = totals_.data()};
  // A CPU computes no more images than a step has; a GPU replays one and the same step.
  const int batch = is_cuda(context_.device()) ? identity.plan.batch
                                               : widths_[static_cast<std::size_t>(*step_.data())];
  kernels::begin_step(context_, identity.plan, state);
  train_step(network_, *workspace_,
             {.context = context_,
              .replicas = identity.plan.replicas,
              .batch = batch,
              .masks = identity.masks,
              .keys = state.keys},
             source_.within(identity.inputs), batch_samples_.replicas(identity.plan.batch),
             identity.rows,
             {.optimizer = identity.optimizer,
              .loss = identity.loss,
              .terms = identity.terms,
              .step = state.step,
              .active = state.active},
             state.totals);
  kernels::end_step(context_, state);
}

}  // namespace redoubt
