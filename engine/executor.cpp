#include "engine/executor.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace redoubt {

using kernels::LossTotals;
using kernels::Sample;

/// What one thread owns.
struct Executor::Worker {
  Worker(const Network& network, Device device, int images, bool training)
      : context(device),
        workspace(network, device, 1, images, training),
        samples(static_cast<std::size_t>(images)) {}

  /// The batch of `count` samples from `first` on, the rest padding.
  void fill_batch(std::span<const Sample> all, std::size_t first, std::size_t count) {
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(first), count, samples.begin());
    std::fill(samples.begin() + static_cast<std::ptrdiff_t>(count), samples.end(), Sample());
    valid = static_cast<int>(count);
  }

  Context context;
  Workspace workspace;
  std::vector<Sample> samples;
  int valid = 0;
};

Executor::Executor(const Network& network, const kernels::ImageSource& source, Device device,
                   int threads, int batch)
    : network_(network),
      source_(source),
      device_(device),
      threads_(threads),
      batch_(batch),
      context_(device, threads),
      training_(static_cast<std::size_t>(threads)),
      inference_(static_cast<std::size_t>(threads)) {}

Executor::~Executor() = default;

Executor::Worker& Executor::worker(int index, bool training) {
  std::unique_ptr<Worker>& slot =
      (training ? training_ : inference_)[static_cast<std::size_t>(index)];
  if (!slot) slot = std::make_unique<Worker>(network_, device_, batch_, training);
  return *slot;
}

std::vector<LossTotals> Executor::train(Fleet& fleet, std::span<const TrainingTask> tasks,
                                        kernels::Replicas<const float> masks) {
  std::vector<LossTotals> totals(tasks.size());
  parallel_for(static_cast<int>(tasks.size()), threads_, [&](int index, int thread) {
    const auto i = static_cast<std::size_t>(index);
    totals[i] = train_row(worker(thread, true), fleet, tasks[i], masks);
  });
  return totals;
}

LossTotals Executor::train_row(Worker& worker, Fleet& fleet, const TrainingTask& task,
                               kernels::Replicas<const float> masks) {
  check(task.batch >= 1 && task.batch <= batch_, "a task's batch is at most the executor's");
  check(task.row >= 0 && task.row < fleet.rows(), "a task's row is in the fleet");
  check(fleet.state_rows() >= task.optimizer.state_rows(), "the fleet has the optimizer's state");
  const auto clear = [&](kernels::Replicas<float> state) {
    const auto bytes = static_cast<std::size_t>(fleet.pitch()) * sizeof(float);
    if (state) worker.context.fill_zero(state[task.row], bytes);
  };
  clear(fleet.state(0));
  clear(fleet.state(1));
  const auto row = [&](kernels::Replicas<float> matrix) {
    return matrix ? matrix.from(task.row) : matrix;
  };
  const TrainedRows rows = {.values = row(fleet.values()),
                            .gradients = row(fleet.gradients()),
                            .first_state = row(fleet.state(0)),
                            .second_state = row(fleet.state(1))};
  const std::size_t epoch_size = task.samples.size() / static_cast<std::size_t>(task.epochs);
  const auto batch = static_cast<std::size_t>(task.batch);
  RandomKey key = task.key;
  Pass pass = {.context = worker.context,
               .batch = batch_,
               .masks = masks ? masks.from(task.row) : masks,
               .keys = &key};
  StepSettings settings = {.optimizer = task.optimizer, .penalty = task.penalty, .step = 0};
  LossTotals totals;
  for (int epoch = 0; epoch < task.epochs; ++epoch) {
    totals = {};
    const auto samples =
        task.samples.subspan(static_cast<std::size_t>(epoch) * epoch_size, epoch_size);
    for (std::size_t first = 0; first < epoch_size; first += batch) {
      worker.fill_batch(samples, first, std::min(batch, epoch_size - first));
      key.step = static_cast<std::uint32_t>(settings.step++);
      train_step(network_, worker.workspace, pass, source_, {worker.samples.data(), batch_}, rows,
                 settings, &totals);
    }
  }
  return totals;
}

std::vector<LossTotals> Executor::evaluate(const ModelVariants& variants,
                                           std::span<const Sample> samples) {
  const auto batch = static_cast<std::size_t>(batch_);
  const std::size_t batches = (samples.size() + batch - 1) / batch;
  const auto count = static_cast<std::size_t>(variants.count);
  // One slot a batch and variant, added up in order: the sum does not depend on the threads.
  std::vector<LossTotals> partial(batches * count);
  parallel_for(static_cast<int>(batches), threads_, [&](int index, int thread) {
    Worker& own = worker(thread, false);
    const std::size_t first = static_cast<std::size_t>(index) * batch;
    own.fill_batch(samples, first, std::min(batch, samples.size() - first));
    kernels::gather(own.context, source_, 1, batch_, {own.samples.data(), batch_},
                    own.workspace.activation(0), own.workspace.labels());
    Pass pass = {.context = own.context, .batch = batch_};
    for (int v = 0; v < variants.count; ++v) {
      pass.parameters = variants.parameters.from(v);
      pass.masks = variants.masks ? variants.masks.from(v) : variants.masks;
      network_.forward(pass, own.workspace, v == 0 ? 0 : variants.first_layer);
      kernels::softmax_cross_entropy(
          own.context, {.classes = network_.classes(), .batch = batch_}, own.workspace.logits(),
          own.workspace.labels(), {},
          &partial[static_cast<std::size_t>(index) * count + static_cast<std::size_t>(v)]);
    }
  });
  std::vector<LossTotals> totals(count);
  for (std::size_t i = 0; i < partial.size(); ++i) totals[i % count] += partial[i];
  return totals;
}

std::vector<std::vector<double>> Executor::record_activations(
    const float* parameters, const float* masks, std::span<const std::span<const Sample>> lists) {
  const auto mask_size = static_cast<std::size_t>(network_.layout().mask_size());
  std::vector<std::vector<double>> records(lists.size(), std::vector<double>(mask_size));
  const auto batch = static_cast<std::size_t>(batch_);
  parallel_for(static_cast<int>(lists.size()), threads_, [&](int index, int thread) {
    Worker& own = worker(thread, false);
    const std::span<const Sample> samples = lists[static_cast<std::size_t>(index)];
    Pass pass = {.context = own.context,
                 .batch = batch_,
                 .parameters = {parameters, 0},
                 .masks = {masks, 0},
                 .record = {records[static_cast<std::size_t>(index)].data(), 0},
                 .valid = &own.valid};
    for (std::size_t first = 0; first < samples.size(); first += batch) {
      own.fill_batch(samples, first, std::min(batch, samples.size() - first));
      kernels::gather(own.context, source_, 1, batch_, {own.samples.data(), batch_},
                      own.workspace.activation(0), own.workspace.labels());
      network_.forward(pass, own.workspace);
    }
  });
  return records;
}

}  // namespace redoubt
