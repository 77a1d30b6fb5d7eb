// One experiment from its settings to its model: data, federation, attack, rounds, post-training
// stages.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "defense/rule.h"
#include "defense/stage.h"
#include "engine/executor.h"
#include "engine/network.h"
#include "engine/safetensors.h"
#include "experiments/simulation/experiment.h"
#include "experiments/simulation/experiment_data.h"
#include "experiments/simulation/progress.h"
#include "fl/federation.h"
#include "fl/image_store.h"
#include "fl/metrics.h"
#include "fl/record.h"
#include "fl/server.h"

namespace redoubt::experiments {

/// Told what a simulation does, as it does it.
class SimulationObserver {
 public:
  virtual ~SimulationObserver() = default;
  /// A round or a stage is over. images_per_second: of training in this round, 0 for a stage. The
  /// record holds nothing that depends on time.
  virtual void record(const Record& /*record*/, double /*images_per_second*/) {}
  /// What a rule left beside the record of its round, which is of a kind as in round_kinds.h.
  virtual void tensors(const std::string& /*kind*/, int /*round*/, const TensorFile& /*file*/) {}
  /// Training is over; the state that the stages start from. (Not told again after a resumption.)
  virtual void trained(const TensorFile& /*state*/) {}
  /// A named pipeline is through, with this model. (Not told of one that ended early, of which a
  /// record of kind kFailed says why.)
  virtual void pipeline_done(const std::string& /*name*/, const TensorFile& /*model*/) {}
  /// A state to come back to: everything recorded so far belongs to it.
  virtual void checkpoint(TensorFile /*state*/) {}
};

/// What may come from outside instead of from the experiment's settings.
struct Parts {
  /// In place of data.dataset.
  std::optional<Dataset> dataset = {};
  /// Makes the rule in place of defense.rule. Its environment lives as long as the simulation.
  std::function<std::unique_ptr<AggregationRule>(const RuleEnvironment&)> rule = {};
  /// Beside what the experiment's attack says, which also says who attacks and when: acts last.
  std::shared_ptr<Attack> attack = {};
};

/// A run that nobody stops.
inline const std::atomic<bool> kNeverStopped = false;

class Simulation {
 public:
  /// Loads everything. Throws InputError.
  explicit Simulation(const Experiment& experiment, Parts parts = {});

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

  /// Goes back to a checkpoint. Throws InputError naming `origin` if it does not fit.
  void restore(const TensorFile& checkpoint, const std::string& origin);
  /// Goes to the end of training, as an observer was told of it, perhaps in another run: pipelines
  /// are what is left. Throws InputError naming `origin` if it does not fit.
  void start_from(const TensorFile& trained, const std::string& origin);

  /// Runs to the end, or to the end of the round in which `stop` became true, which leaves a
  /// checkpoint and returns false. Throws InputError naming the rule if one of its diagnostics is
  /// called as the program's own figures are.
  bool run(SimulationObserver& observer, const std::atomic<bool>& stop = kNeverStopped);

  /// Accuracy and attack success rate of the model as it is now.
  TestResult test();
  /// Says in a record of such a test if the model calls nearly all images one class.
  void add_collapse(Record& record);
  /// The model as safetensors: PyTorch's names; pruned channels and limits of inputs are in the
  /// metadata. After named pipelines that is the trained one.
  TensorFile model_file();

 private:
  class Run;

  /// The stages of one pipeline; without a name if it is the only one.
  struct PipelineStages {
    std::string name;
    std::vector<std::unique_ptr<Stage>> stages;
  };

  std::unique_ptr<AggregationRule> make_rule(const Parts& parts);
  static std::vector<PipelineStages> make_pipelines(const DefenseSettings& defense);
  RunLength length() const;
  FederationState state() const;
  void take_up(const FederationState& state, const std::string& origin);
  Record round_record(const std::string& stage, int round, const RoundReport& report);

  Experiment experiment_;
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

  /// Its `now` is that of the last checkpoint; what is really now is in the members above.
  Progress progress_;
  int profiled_round_ = 0;  ///< 0: none
  bool goes_on_ = false;    ///< from a checkpoint or another's training
};

}  // namespace redoubt::experiments
