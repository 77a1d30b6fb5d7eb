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
#include "experiments/runner/spec.h"
#include "fl/attack/attack.h"
#include "fl/federation.h"
#include "fl/image_store.h"
#include "fl/record.h"
#include "fl/server.h"

namespace redoubt::runner {

/// Told what a simulation does, as it does it.
class SimulationObserver {
 public:
  virtual ~SimulationObserver() = default;
  /// A round or a stage is over. images_per_second: of training in this round, 0 for a stage. The
  /// record holds nothing that depends on time.
  virtual void record(const Record& record, double images_per_second) = 0;
  /// What a rule left beside the record of its round, for a file of that name.
  virtual void tensors(const std::string& /*name*/, const TensorFile& /*file*/) {}
  /// A state to come back to: everything recorded so far belongs to it.
  virtual void checkpoint(TensorFile state) = 0;
};

/// What an experiment is trained and measured on.
struct ExperimentData {
  Dataset dataset;
  Normalization normalization;
  std::vector<std::vector<int>> partition;  ///< [clients] indices of training images
  std::vector<int> validation;              ///< indices of training images
  std::vector<int> attackers;  ///< ids of the malicious clients, of round 1 if they change
  bool attackers_change = false;
  TriggerTable triggers;
  std::optional<Backdoor> backdoor;
};

/// Loads and deals out the data. Throws InputError.
ExperimentData load_data(const Experiment& experiment);

/// The network that the settings name, for images of this shape. Throws InputError.
Network make_network(const ModelSettings& settings, const Shape& input, int classes);

/// The first row of parameters: fresh, or from the initial file. Throws InputError.
std::vector<float> initial_row(const Experiment& experiment, const Network& network);

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

  /// Goes back to a checkpoint's state. Throws InputError naming `origin` if it does not fit.
  void restore(const TensorFile& state, const std::string& origin);

  /// Runs to the end, or to the end of the round in which `stop` became true, which leaves a
  /// checkpoint and returns false.
  bool run();

  /// Accuracy and attack success rate of the model as it is now.
  TestResult test();
  /// The model as safetensors: PyTorch's names, the pruned channels in the metadata.
  TensorFile model_file();

 private:
  bool train();
  bool run_stages();
  bool after_round(int round, const RoundReport& report, const std::string& stage);
  Record round_record(int round, const RoundReport& report, const std::string& stage);
  void keep_best(int round);
  std::vector<int> attackers_of(int round) const;
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
  std::vector<std::unique_ptr<Stage>> stages_;

  int stages_done_ = 0;
  int stage_rounds_done_ = 0;    ///< of the stage under way
  std::vector<float> best_row_;  ///< federation.keep: best
  double best_validation_ = -1;
  int best_round_ = 0;
  std::chrono::steady_clock::time_point round_start_;
  int profiled_round_ = 0;  ///< 0: none
};

}  // namespace redoubt::runner
