#include "engine/executor.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"
#include "engine/pass_width.h"

namespace redoubt {

using kernels::LossTotals;
using kernels::Sample;

namespace {

/// Batches that are evaluated side by side, as replicas that share one row of parameters: on a GPU
/// as many as make about 1,024 images, or small batches would leave it idle, and fit into an eighth
/// of its memory, beside what training takes.
int batches_at_once(const Network& network, Device device, int batch) {
  constexpr int kImagesAtOnce = 1024;
  if (!is_cuda(device)) return 1;
  const std::size_t fitting =
      memory_size(device).all / 8 / Workspace::replica_bytes(network, batch, false);
  const auto wanted = static_cast<std::size_t>((kImagesAtOnce + batch - 1) / batch);
  return static_cast<int>(std::clamp<std::size_t>(fitting, 1, wanted));
}

/// Images of a batch that is only read. On a GPU at least as many as kernels walk along well, which
/// training with few at a time does not allow them; never so many that memory is what they cost.
int reading_batch(Device device, int batch) {
  constexpr int kLeast = 64;
  return is_cuda(device) ? std::clamp(batch, kLeast, 1024) : std::min(batch, 256);
}

}  // namespace

/// What one thread trains with.
struct Executor::Trainer {
  Trainer(const Executor& all)
      : context(all.device_, 1, all.arithmetic_),
        fleet(all.network_, all.source_, context, all.batch_) {}

  Context context;
  FleetTrainer fleet;
};

/// What one thread evaluates and records with: a few batches side by side.
struct Executor::Reader {
  explicit Reader(const Executor& all)
      : replicas(batches_at_once(all.network_, all.device_, all.reading_batch_)),
        context(all.device_, 1, all.arithmetic_),
        workspace(all.network_, all.device_, replicas, all.reading_batch_, false),
        evaluator(all.network_, all.source_, context, workspace),
        staged(static_cast<std::size_t>(replicas * all.reading_batch_)),
        valid(static_cast<std::size_t>(replicas)),
        device_samples(all.device_, replicas * all.reading_batch_),
        device_valid(all.device_, replicas),
        record(all.device_, replicas * all.network_.layout().mask_size()) {}

  /// Samples that one pass takes.
  std::size_t capacity() const { return staged.size(); }

  /// Gathers samples [first, first + capacity()) as far as there are; the rest is padding. Returns
  /// how many images wide the pass over them is.
  int gather(const kernels::ImageSource& source, std::span<const Sample> all, std::size_t first) {
    const std::size_t count = std::min(capacity(), all.size() - first);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    std::copy_n(begin, count, staged.begin());
    std::fill(staged.begin() + static_cast<std::ptrdiff_t>(count), staged.end(), Sample());
    const int batch =
        is_cuda(context.device()) ? workspace.batch() : pass_width(count, workspace.batch());
    for (int r = 0; r < replicas; ++r) {
      valid[r] = std::clamp(static_cast<int>(count) - r * batch, 0, batch);
    }
    context.copy_to_device(device_samples.data(), staged.data(), device_samples.bytes());
    context.copy_to_device(device_valid.data(), valid.data(), device_valid.bytes());
    kernels::gather(context, source, replicas, batch, device_samples.replicas(batch),
                    workspace.activation(0), workspace.labels());
    return batch;
  }
  int replicas;
  Context context;
  Workspace workspace;
  FleetEvaluator evaluator;
  std::vector<Sample> staged;
  std::vector<int> valid;
  Buffer<Sample> device_samples;
  Buffer<int> device_valid;
  Buffer<double> record;
};

Executor::Executor(const Network& network, const kernels::ImageSource& source, Device device,
                   int threads, int batch, const Arithmetic& arithmetic)
    : network_(network),
      source_(source),
      device_(device),
      // A GPU does one thing after the other, whichever thread asks.
      threads_(is_cuda(device) ? 1 : threads),
      batch_(batch),
      reading_batch_(reading_batch(device, batch)),
      arithmetic_(arithmetic),
      context_(device, threads_, arithmetic),
      trainers_(static_cast<std::size_t>(threads_)),
      readers_(static_cast<std::size_t>(threads_)) {}

Executor::~Executor() = default;

std::size_t Executor::client_bytes(int state_rows) const {
  const auto row = static_cast<std::size_t>(network_.layout().row_size()) * sizeof(float);
  const std::size_t pass = is_cuda(device_) ? Workspace::replica_bytes(network_, batch_, true) : 0;
  return row * static_cast<std::size_t>(2 + state_rows) + pass;
}

Executor::Trainer& Executor::trainer(int thread) {
  std::unique_ptr<Trainer>& slot = trainers_[thread];
  if (!slot) slot = std::make_unique<Trainer>(*this);
  return *slot;
}

Executor::Reader& Executor::reader(int thread) {
  std::unique_ptr<Reader>& slot = readers_[thread];
  if (!slot) slot = std::make_unique<Reader>(*this);
  return *slot;
}

std::vector<LossTotals> Executor::train(Fleet& fleet, std::span<const TrainingTask> tasks,
                                        kernels::Replicas<const float> masks) {
  std::vector<LossTotals> totals(tasks.size());
  if (!is_cuda(device_)) {
    parallel_for(static_cast<int>(tasks.size()), threads_, [&](int index, int thread) {
      const auto i = static_cast<std::size_t>(index);
      trainer(thread).fleet.train(fleet, tasks.subspan(i, 1), masks,
                                  std::span(totals).subspan(i, 1));
    });
    return totals;
  }
  // Neighbours with equal settings train together.
  std::size_t first = 0;
  while (first < tasks.size()) {
    std::size_t count = 1;
    while (first + count < tasks.size() &&
           can_follow(tasks[first + count - 1], tasks[first + count])) {
      ++count;
    }
    trainer(0).fleet.train(fleet, tasks.subspan(first, count), masks,
                           std::span(totals).subspan(first, count));
    first += count;
  }
  return totals;
}

std::vector<LossTotals> Executor::evaluate(const ModelVariants& variants,
                                           std::span<const Sample> samples) {
  // A CPU's thread takes a batch at a time, a GPU all of them.
  const std::size_t share =
      is_cuda(device_) ? samples.size() : static_cast<std::size_t>(reading_batch_);
  const std::size_t shares = samples.empty() ? 0 : (samples.size() + share - 1) / share;
  const auto count = static_cast<std::size_t>(variants.count);
  // One slot a share and variant, added up in order: the sum does not depend on the threads.
  std::vector<LossTotals> partial(shares * count);
  parallel_for(static_cast<int>(shares), threads_, [&](int index, int thread) {
    const auto i = static_cast<std::size_t>(index);
    const std::size_t size = std::min(share, samples.size() - i * share);
    reader(thread).evaluator.evaluate(variants, samples.subspan(i * share, size),
                                      std::span(partial).subspan(i * count, count));
  });
  std::vector<LossTotals> totals(count);
  for (std::size_t i = 0; i < partial.size(); ++i) totals[i % count] += partial[i];
  return totals;
}

std::vector<std::vector<double>> Executor::record_activations(
    const ModelVariants& model, std::span<const std::span<const Sample>> lists) {
  check(model.count == 1, "activations are recorded of one model");
  const kernels::ImageSource source = source_.within(model.inputs_of(0));
  const std::int64_t mask_size = network_.layout().mask_size();
  std::vector<std::vector<double>> records(lists.size(), std::vector<double>(mask_size));
  parallel_for(static_cast<int>(lists.size()), threads_, [&](int index, int thread) {
    Reader& own = reader(thread);
    const std::span<const Sample> samples = lists[index];
    Pass pass = {.context = own.context,
                 .replicas = own.replicas,
                 .parameters = {model.parameters[0], 0},
                 .masks = {model.masks ? model.masks[0] : nullptr, 0},
                 .record = own.record.replicas(mask_size),
                 .valid = own.device_valid.data()};
    own.context.fill_zero(own.record.data(), own.record.bytes());
    for (std::size_t first = 0; first < samples.size(); first += own.capacity()) {
      pass.batch = own.gather(source, samples, first);
      network_.forward(pass, own.workspace);
    }
    std::vector<double>& record = records[index];
    for (std::size_t i = 0; const double sum : own.record.download()) {
      record[i++ % record.size()] += sum;
    }
  });
  return records;
}

}  // namespace redoubt
