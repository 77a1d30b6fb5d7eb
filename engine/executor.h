// Runs a network on a device: trains rows of a fleet, evaluates models, records activations. On a
// CPU each thread takes whole clients (training, recording) or whole batches (evaluation), with its
// own Context and Workspace, so threads never wait for one another inside a step. On a GPU all
// clients of a wave train in the same operations, and several batches are evaluated at once.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/fleet_evaluator.h"
#include "engine/fleet_trainer.h"
#include "engine/network.h"

namespace redoubt {

class Executor {
 public:
  /// `batch`: images a step of training, at most. A pass that only reads takes as many, but a CPU
  /// at most 256 and a GPU from 64 to 1024. The network and source must outlive the executor.
  Executor(const Network& network, const kernels::ImageSource& source, Device device, int threads,
           int batch, const Arithmetic& arithmetic = {});
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const Network& network() const { return network_; }
  Device device() const { return device_; }
  int threads() const { return threads_; }
  /// Memory that one more client of a wave takes: its row of a fleet with so many rows of optimizer
  /// state and, on a GPU, its part of a pass.
  std::size_t client_bytes(int state_rows) const;
  /// For operations on whole matrices (rows.h, weights.h).
  Context& context() { return context_; }

  /// Trains every task's row from its present values; optimizer state starts as 0. Masks [row of
  /// the fleet][mask row], usually shared, may be absent. Returns each task's totals over its last
  /// epoch, each batch's loss taken before its update. Allocates nothing after the first call of a
  /// kind.
  std::vector<kernels::LossTotals> train(Fleet& fleet, std::span<const TrainingTask> tasks,
                                         kernels::Replicas<const float> masks);

  /// Each variant's totals over the samples.
  std::vector<kernels::LossTotals> evaluate(const ModelVariants& variants,
                                            std::span<const kernels::Sample> samples);

  /// For each list of samples, each channel's post-ReLU outputs of `model`, which is the only one
  /// of its variants, summed over positions and images: result[list][mask row] (Wu et al. 2020,
  /// section IV-A; the mean is the sum divided by both).
  std::vector<std::vector<double>> record_activations(
      const ModelVariants& model, std::span<const std::span<const kernels::Sample>> lists);

 private:
  struct Trainer;
  struct Reader;

  Trainer& trainer(int thread);
  Reader& reader(int thread);

  const Network& network_;
  const kernels::ImageSource& source_;
  Device device_;
  int threads_;
  int batch_;
  int reading_batch_;
  Arithmetic arithmetic_;
  Context context_;
  std::vector<std::unique_ptr<Trainer>> trainers_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace redoubt
