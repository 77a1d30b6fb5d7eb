// Clients: their data, and what they do in a round. A malicious client differs from an honest one
// in its behaviours only; nothing that the server sees tells them apart.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/parameter_layout.h"
#include "engine/train_step.h"
#include "fl/settings.h"
#include "kernels/device.h"
#include "kernels/gather.h"
#include "kernels/rows.h"

namespace redoubt {

/// A client's place in one round, as its behaviours see it.
struct ClientRound {
  int client = 0;
  int round = 1;         ///< counted from 1; fine-tuning counts on
  int participants = 1;  ///< clients in this round
  int attackers = 0;     ///< malicious ones among them, who know of one another
  float server_lr = 1;   ///< η
};

/// A client's update (its model minus the global one), where it lies on the device.
struct UpdateRow {
  Context& context;
  float* values;
  std::int64_t size;
  /// Where trained tensors lie, without padding and running statistics; absent: everywhere.
  std::span<const ColumnRange> trained = {};
};

/// What a client tells the server when asked which channels of a layer are dormant (Wu et al. 2020,
/// section IV-A).
struct DormancyReport {
  /// [channels] each channel's rank by mean activation, 0 for the most dormant.
  std::vector<int> ranks;
  /// [channels] 1 for each channel that the client would prune, else 0.
  std::vector<std::uint8_t> votes;
};

/// Ranks values ascending: result[i] is the place of values[i], 0 for the least. Equals keep their
/// order.
std::vector<int> ascending_ranks(std::span<const double> values);

/// The report of a client whose channels are so active: votes for the `votes` least active ones.
DormancyReport report_of(std::span<const double> activity, int votes);

/// What a client that trains may find out about the global model on data of its own.
struct ActivityQuestion {
  const ParameterLayout& layout;
  std::span<const kernels::Sample> own_samples;
  /// [mask row] each channel's post-ReLU outputs, summed over positions and these samples.
  std::function<std::vector<double>(std::span<const kernels::Sample>)> activity;
};

/// The server's question which channels of one layer are dormant, and what a client may find out
/// before it answers.
struct DormancyQuestion {
  std::span<const kernels::Sample> own_samples;
  std::span<const float> heard;  ///< [channels] 0: pruned already
  int votes = 0;                 ///< channels to vote for
  /// [channels] as above, of the layer.
  std::function<std::vector<double>(std::span<const kernels::Sample>)> activity;
};

/// What a client minimises beside its loss, and what it does to its weights.
struct Objective {
  Evasion::Metric metric = Evasion::Metric::none;
  float rho = 0;
  std::string clip_layer = "last";
  double clip_delta = 0;  ///< 0: nothing is clipped
};

/// Rounds in which a behaviour acts, both ends included.
struct RoundWindow {
  int from = 1;
  int to = std::numeric_limits<int>::max();
  bool contains(int round) const { return round >= from && round <= to; }
};

/// What a client may do differently. Every hook starts from what an honest client would do and
/// edits it; the base class edits nothing. To write an attack, override the hooks it needs.
class Behaviour {
 public:
  explicit Behaviour(RoundWindow window) : window_(window) {}
  virtual ~Behaviour() = default;
  Behaviour(const Behaviour&) = delete;
  Behaviour& operator=(const Behaviour&) = delete;

  const RoundWindow& window() const { return window_; }

  /// The samples of one epoch, before they are shuffled.
  virtual void edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) const;
  /// Epochs, batch (at most the federation's), optimizer of this round.
  virtual void edit_training(const ClientRound& round, LocalTraining& training) const;
  /// What is minimised in this round.
  virtual void edit_objective(const ClientRound& round, Objective& objective) const;
  /// Whether edit_objective() asks for a distance from the direction of the last global step.
  virtual bool needs_last_step() const { return false; }
  /// The channels that it trains with, [mask row] as the global model has them.
  virtual void edit_mask(const ClientRound& round, const ActivityQuestion& question,
                         std::span<float> mask) const;
  /// The update before it is sent.
  virtual void edit_update(const ClientRound& round, UpdateRow& update) const;
  /// The answer to the pruning defense.
  virtual void edit_dormancy(const ClientRound& round, const DormancyQuestion& question,
                             DormancyReport& report) const;
  /// The accuracies reported for models that the server wants judged, each in [0, 1].
  virtual void edit_accuracies(const ClientRound& round, std::span<double> accuracies) const;

 private:
  RoundWindow window_;
};

/// A round's updates as a coalition of attackers sees them before they are sent.
struct CoalitionUpdates {
  kernels::MatrixShape shape;       ///< [clients x row]
  kernels::Replicas<float> matrix;  ///< client model minus global model
  std::span<const int> attackers;   ///< rows of those who act together
};

/// Attackers who agree on what they send.
class Coalition {
 public:
  Coalition() = default;
  virtual ~Coalition() = default;
  Coalition(const Coalition&) = delete;
  Coalition& operator=(const Coalition&) = delete;
  /// Edits the attackers' rows; there is at least one. Any row may hold NaN or infinity.
  virtual void edit_updates(Context& context, const CoalitionUpdates& updates) const = 0;
};

/// One client. An honest one has no behaviours.
struct Client {
  int id = 0;
  std::vector<kernels::Sample> samples;  ///< its own data, labelled truthfully
  std::vector<std::shared_ptr<const Behaviour>> behaviours = {};
  /// Whether the behaviours act in a round; absent: in all.
  std::function<bool(int round)> malicious_in = {};
  /// Whom it conspires with; one for all clients of a federation.
  std::shared_ptr<const Coalition> coalition = {};
  RoundWindow coalition_window = {};

  bool is_malicious_in(int round) const { return !malicious_in || malicious_in(round); }

  /// Whether anything that it does in this round is not what an honest client would.
  bool attacks_in(int round) const;

  /// Calls edit(behaviour) for each behaviour that acts in this round, in order.
  template <class Edit>
  void act(int round, const Edit& edit) const {
    if (!is_malicious_in(round)) return;
    for (const auto& behaviour : behaviours) {
      if (behaviour->window().contains(round)) edit(*behaviour);
    }
  }
};

/// Clients 0, 1, ... with the images that a partition dealt them and those images' labels.
std::vector<Client> make_population(std::span<const std::vector<int>> partition,
                                    std::span<const std::uint8_t> labels);

}  // namespace redoubt
