// One experiment from its settings to its model: data, federation, attack, rounds, post-training
// stages.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "defense/stage.h"
#include "engine/executor.h"
#include "engine/network.h"
#include "engine/safetensors.h"
#include "experiments/simulation/experiment.h"
#include "experiments/simulation/experiment_data.h"
#include "fl/federation.h"
#include "fl/image_store.h"
#include "fl/record.h"
#include "fl/server.h"

namespace redoubt::experiments {

/// Told what a simulation does, as it does it.
class SimulationObserver {
 public:
  virtual ~SimulationObserver() = default;
  /// A round or a stage is over. images_per_second: of training in this round, 0 for a stage. The
  /// record holds nothing that depends on time.
  virtual void record(const Record& record, double images_per_second) = 0;
  /// What a rule left beside the record of its round, for a file of that name.
  virtual void tensors(const std::string& /*name*/, const TensorFile& /*file*/) {}
  /// Training is over; the state that the stages start from. (Told again after a resumption.)
  virtual void trained(const TensorFile& /*state*/) {}
  /// A named pipeline is through, with this model.
  virtual void pipeline_done(const std::string& /*name*/, const TensorFile& /*model*/) {}
  /// A state to come back to: everything recorded so far belongs to it.
  virtual void checkpoint(TensorFile state) = 0;
};

/// The stages of one pipeline; without a name if it is the only one.
struct PipelineStages {
  std::string name;
  std::vector<std::unique_ptr<Stage>> stages;
};

class Simulation {
 public:
  /// Loads everything. Throws InputError. `stop`, when it becomes true, ends the run after the
  /// round.
  Simulation(const Experiment& experiment, SimulationObserver& observer,
             const std::atomic<bool>& stop);

  const Network& network() const { return network_; }
  /// Lets a profiler record this round of training only. Throws InputError on a CPU or if there is
  /// no such round.
  void profile_round(int round);
  const ExperimentData& data() const { return data_; }
  /// All rounds of training, fine-tuning included.
  int total_rounds() const;
  /// Rounds already behind (not 0 after restore()).
  int rounds_done() const { return server_.next_round() - 1; }

  /// Throws InputError if stages would prune more channels than the initial model has left.
  void check_stages() const;

  /// Goes back to a checkpoint's state. Throws InputError naming `origin` if it does not fit.
  void restore(const TensorFile& state, const std::string& origin);

  /// Runs to the end, or to the end of the round in which `stop` became true, which leaves a
  /// checkpoint and returns false.
  bool run();

  /// Accuracy and attack success rate of the model as it is now.
  TestResult test();
  /// The model as safetensors: PyTorch's names; pruned channels and limits of inputs are in the
  /// metadata. After named pipelines that is the trained one.
  TensorFile model_file();

 private:
  bool train();
  bool run_pipelines();
  bool run_stages(const PipelineStages& pipeline);
  void tell(Record record, double images_per_second);
  void take_up(const TensorFile& state);
  void take_model(const TensorFile& state, const std::string& origin);
  bool after_round(int round, const RoundReport& report, const std::string& stage);
  Record round_record(int round, const RoundReport& report, const std::string& stage);
  void keep_best(int round);
  TensorFile state();
  float learning_rate(int round) const;

  Experiment experiment_;
  SimulationObserver& observer_;
  const std::atomic<bool>& stop_;
  ExperimentData data_;
  Network network_;
  Device device_;
  ImageStore images_;
  Executor executor_;
  TestImages test_images_;
  Federation federation_;
  GlobalModel model_;
  Server server_;
  std::vector<PipelineStages> pipelines_;

  TensorFile trained_;  ///< the state after training; empty before
  int pipelines_done_ = 0;
  int stages_done_ = 0;          ///< of the pipeline under way
  int stage_rounds_done_ = 0;    ///< of the stage under way
  std::vector<float> best_row_;  ///< federation.keep: best
  double best_validation_ = -1;
  int best_round_ = 0;
  std::chrono::steady_clock::time_point round_start_;
  int profiled_round_ = 0;  ///< 0: none
  bool restored_ = false;   ///< from a checkpoint
};

}  // namespace redoubt::experiments
