// What an attack is: everything that malicious clients do otherwise than honest ones.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/safetensors.h"
#include "fl/client.h"

namespace redoubt {

/// A round's updates as the attackers among it see them before they are sent.
struct RoundUpdates {
  Context& context;
  int round = 1;
  kernels::MatrixShape shape;       ///< [clients x row]
  kernels::Replicas<float> matrix;  ///< client model minus global model
  std::span<const int> clients;     ///< [clients] their ids
  std::span<const int> attackers;   ///< rows of those who attack; there is at least one
  /// Where trained tensors lie, without padding and running statistics; absent: everywhere.
  std::span<const ColumnRange> trained = {};
};

/// How a round moved the global model. The rows lie on the device.
struct GlobalStep {
  Context& context;
  int round = 1;
  std::int64_t size = 0;  ///< of a row
  const float* global;    ///< [row] the model after the round
  const float* step;      ///< [row] less the one before it
};

/// One object for all attackers of an experiment. Every hook starts from what an honest client
/// would do and edits it; the base class edits nothing. To write an attack, override the hooks it
/// needs. An attack may remember: what it remembers goes through state() into checkpoints, or a run
/// that is stopped and resumed is another.
class Attack {
 public:
  Attack() = default;
  virtual ~Attack() = default;
  Attack(const Attack&) = delete;
  Attack& operator=(const Attack&) = delete;

  /// Whether this client attacks in this round; hooks are called for those who do.
  virtual bool acts(int client, int round) const;
  /// Whether edit_updates() must see all clients of a round at once.
  virtual bool needs_whole_round() const { return false; }

  /// Epochs, batch (at most the federation's), optimizer of this round.
  virtual void edit_training(const ClientRound& round, LocalTraining& training);
  /// The samples of one epoch, before they are shuffled.
  virtual void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples);
  /// What is minimised in this round, and terms of each step (engine/terms.h).
  virtual void edit_objective(const ClientRound& round, Objective& objective);
  /// The channels that it trains with, [mask row] as the global model has them.
  virtual void edit_mask(const ClientRound& round, const ActivityQuestion& question,
                         std::span<float> mask);
  /// The update before it is sent.
  virtual void edit_update(const ClientRound& round, UpdateRow& update);
  /// The updates of all attackers together, after each one's edit_update(). Any row may hold NaN or
  /// infinity.
  virtual void edit_updates(const RoundUpdates& updates);
  /// The answer to the pruning defense.
  virtual void edit_dormancy(const ClientRound& round, const DormancyQuestion& question,
                             DormancyReport& report);
  /// The accuracies reported for models that the server wants judged, each in [0, 1].
  virtual void edit_accuracies(const ClientRound& round, std::span<double> accuracies);
  /// Told after every round, whoever took part in it.
  virtual void after_round(const GlobalStep& step);

  /// What it remembers of past rounds. Most attacks remember nothing.
  virtual std::vector<NamedTensor> state() const { return {}; }
  /// Takes up such a state. Throws InputError if it does not fit.
  virtual void restore(const std::vector<NamedTensor>& state);
};

/// Several attacks that act one after the other, each where its own acts() says so.
class AttackSequence : public Attack {
 public:
  explicit AttackSequence(std::vector<std::shared_ptr<Attack>> attacks)
      : attacks_(std::move(attacks)) {}

  bool needs_whole_round() const override;
  void edit_training(const ClientRound& round, LocalTraining& training) override;
  void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) override;
  void edit_objective(const ClientRound& round, Objective& objective) override;
  void edit_mask(const ClientRound& round, const ActivityQuestion& question,
                 std::span<float> mask) override;
  void edit_update(const ClientRound& round, UpdateRow& update) override;
  void edit_updates(const RoundUpdates& updates) override;
  void edit_dormancy(const ClientRound& round, const DormancyQuestion& question,
                     DormancyReport& report) override;
  void edit_accuracies(const ClientRound& round, std::span<double> accuracies) override;
  void after_round(const GlobalStep& step) override;
  std::vector<NamedTensor> state() const override;
  void restore(const std::vector<NamedTensor>& state) override;

 protected:
  /// The round as the attacks are to see it.
  virtual ClientRound seen(const ClientRound& round) const { return round; }

 private:
  template <class Act>
  void each_that_acts(const ClientRound& round, const Act& act) {
    for (const auto& attack : attacks_) {
      if (attack->acts(round.client, round.round)) act(*attack);
    }
  }

  std::vector<std::shared_ptr<Attack>> attacks_;
};

}  // namespace redoubt
