// Rounds of federated training, and the questions that a server may ask its clients.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/executor.h"
#include "fl/aggregation.h"
#include "fl/client.h"
#include "fl/global_model.h"
#include "fl/settings.h"

namespace redoubt {

/// What the server knows after a round.
struct RoundReport {
  int participants = 0;
  std::vector<int> attackers = {};               ///< ids of those participants who attacked
  int rejected = 0;                              ///< updates that were not finite
  int used = 0;                                  ///< updates that the rule gave any weight
  std::optional<int> needed_updates = {};        ///< of the rule, if fewer were left
  std::int64_t raised_statistics = 0;            ///< numbers that were below what they can be
  std::int64_t images = 0;                       ///< trained on, epochs counted
  kernels::LossTotals training;                  ///< over the participants' last epochs
  std::optional<std::vector<int>> removed = {};  ///< ids, as the rule answered
  std::vector<std::pair<std::string, RecordValue>> diagnostics = {};  ///< of the rule
  std::vector<NamedTensor> tensors = {};                              ///< of the rule
};

/// Adds λ·‖w‖² on the last conv layer's weights, unless λ is 0.
void add_last_conv_penalty(const ParameterLayout& layout, float lambda, Terms& terms);

class Federation {
 public:
  /// The executor must outlive the federation. Throws InputError if a rule that needs all updates
  /// at once is given a wave smaller than a round.
  Federation(Executor& executor, std::vector<Client> clients, std::unique_ptr<AggregationRule> rule,
             const FederationSettings& settings, std::uint64_t seed);

  const std::vector<Client>& clients() const { return clients_; }
  const AggregationRule& rule() const { return *rule_; }
  Executor& executor() { return executor_; }
  const FederationSettings& settings() const { return settings_; }

  /// One round of federated learning (McMahan et al. 2017, algorithm 1, generalised by a server
  /// learning rate and the rule) at local learning rate `learning_rate`. Rounds count from 1.
  RoundReport run_round(GlobalModel& model, int round, float learning_rate);

  /// What the federation remembers from round to round beside the model: the rule's memory and,
  /// where somebody attacks, the attack's and the last global step. For checkpoints.
  std::vector<NamedTensor> state() const;
  /// Throws InputError if it does not fit.
  void restore(const std::vector<NamedTensor>& state);

  /// The clients of a round (client_sampling.h).
  std::vector<int> participants_of(int round) const;

  /// Every client's answer to: how dormant are this layer's channels on your data? Each votes for
  /// the share `vote_rate` of the channels that is most dormant, rounded down.
  std::vector<DormancyReport> ask_dormancy(const GlobalModel& model, const ChannelSpan& layer,
                                           double vote_rate, int round);

  /// Each variant's accuracy, as the mean over the clients of what they report from their own data.
  std::vector<double> ask_accuracies(const ModelVariants& variants, int round);

 private:
  struct WaveSum;
  /// What all clients of a round have in common.
  struct RoundPlan {
    int round;
    int participants;
    std::vector<int> attackers;  ///< ids of those who attack
    const float* global;         ///< [row] the model, on the device
    float learning_rate;
  };

  std::vector<int> everyone() const;
  RoundPlan plan_round(int round, std::span<const int> selected, const float* global,
                       float learning_rate = 0) const;
  ClientRound client_round(const Client& client, const RoundPlan& plan) const;
  std::vector<kernels::Sample> training_samples(const Client& client, const ClientRound& round,
                                                int epochs) const;
  /// Client's task in fleet row `row`; fills `samples`, which the task then looks at.
  TrainingTask training_task(const GlobalModel& model, const Client& client, const RoundPlan& plan,
                             int row, std::vector<kernels::Sample>& samples) const;
  Objective objective_of(const GlobalModel& model, const Client& client, const ClientRound& place,
                         float last_conv_l2) const;
  Buffer<float> masks_of(const GlobalModel& model, std::span<const int> wave,
                         const RoundPlan& plan);
  std::vector<double> activity_on(const GlobalModel& model,
                                  std::span<const kernels::Sample> samples);
  void conspire(std::span<const int> wave, const RoundPlan& plan,
                const kernels::MatrixShape& shape);
  /// Whether a round must be one wave.
  bool needs_whole_round() const;
  /// Each attack once, however many clients share it.
  std::vector<std::shared_ptr<Attack>> attacks() const;
  Buffer<float> copy_of(const Buffer<float>& row);
  void tell_attacks(const GlobalModel& model, const Buffer<float>& before, int round);
  /// Trains the clients of one wave and adds their aggregate to `sum`. Throws InputError if they do
  /// not fit into memory.
  void run_wave(GlobalModel& model, std::span<const int> wave, const RoundPlan& plan, WaveSum& sum,
                RoundReport& report);
  /// Leaves the clients' updates in the fleet.
  void train_wave(GlobalModel& model, std::span<const int> wave, const RoundPlan& plan,
                  RoundReport& report);
  void add_aggregate(const GlobalModel& model, std::span<const int> wave, const RoundPlan& plan,
                     WaveSum& sum, RoundReport& report);
  void add_combined(const Aggregate& aggregate, const UpdateMatrix& updates, WaveSum& sum,
                    RoundReport& report);
  void step_along(const WaveSum& sum, GlobalModel& model);
  std::int64_t raise_statistics(GlobalModel& model);
  /// Moves the finite updates of a wave of so many clients to the top; their places in the wave.
  std::vector<std::size_t> keep_finite(std::size_t wave);
  int wave_rows(int participants) const;

  Executor& executor_;
  std::vector<Client> clients_;
  std::unique_ptr<AggregationRule> rule_;
  FederationSettings settings_;
  std::uint64_t seed_;
  std::optional<Fleet> fleet_;
  std::vector<std::shared_ptr<Attack>> attacks_;
  Buffer<float> last_step_;  ///< [row] how the last round moved the model; empty if nobody attacks
};

}  // namespace redoubt
