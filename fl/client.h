// Clients: their data, and what they do in a round. A malicious client differs from an honest one
// in its behaviours only; nothing that the server sees tells them apart.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "fl/settings.h"
#include "kernels/device.h"
#include "kernels/gather.h"

namespace redoubt {

/// A client's place in one round, as its behaviours see it.
struct ClientRound {
  int client = 0;
  int round = 1;         ///< counted from 1; fine-tuning counts on
  int participants = 1;  ///< clients in this round
  float server_lr = 1;   ///< η
};

/// A client's update (its model minus the global one), where it lies on the device.
struct UpdateRow {
  Context& context;
  float* values;
  std::int64_t size;
};

/// What a client tells the server when asked which channels of a layer are dormant (Wu et al. 2020,
/// section IV-A).
struct DormancyReport {
  /// [channels] each channel's rank by mean activation, 0 for the most dormant.
  std::vector<int> ranks;
  /// [channels] 1 for each channel that the client would prune, else 0.
  std::vector<std::uint8_t> votes;
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
  /// The update before it is sent.
  virtual void edit_update(const ClientRound& round, UpdateRow& update) const;
  /// The answer to the pruning defense.
  virtual void edit_dormancy(const ClientRound& round, DormancyReport& report) const;
  /// The accuracies reported for models that the server wants judged, each in [0, 1].
  virtual void edit_accuracies(const ClientRound& round, std::span<double> accuracies) const;

 private:
  RoundWindow window_;
};

/// One client. An honest one has no behaviours.
struct Client {
  int id = 0;
  std::vector<kernels::Sample> samples;  ///< its own data, labelled truthfully
  std::vector<std::shared_ptr<const Behaviour>> behaviours = {};

  /// Calls edit(behaviour) for each behaviour that acts in this round, in order.
  template <class Edit>
  void act(int round, const Edit& edit) const {
    for (const auto& behaviour : behaviours) {
      if (behaviour->window().contains(round)) edit(*behaviour);
    }
  }
};

/// Clients 0, 1, ... with the images that a partition dealt them and those images' labels.
std::vector<Client> make_population(std::span<const std::vector<int>> partition,
                                    std::span<const std::uint8_t> labels);

}  // namespace redoubt
