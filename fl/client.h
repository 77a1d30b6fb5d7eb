// Clients: their data, and what the server and attacks may ask and edit. A malicious client differs
// from an honest one in its attack only (fl/attack/attack.h); nothing that the server sees tells
// them apart.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/loss.h"
#include "engine/parameter_layout.h"
#include "engine/terms.h"
#include "fl/settings.h"
#include "kernels/device.h"
#include "kernels/gather.h"
#include "kernels/rows.h"

namespace redoubt {

class Attack;

/// A client's place in one round, as an attack sees it. The rows lie on the device.
struct ClientRound {
  int client = 0;
  int round = 1;                  ///< counted from 1; fine-tuning counts on
  int participants = 1;           ///< clients in this round
  int attackers = 0;              ///< malicious ones among them, who know of one another
  float server_lr = 1;            ///< η
  int place = 0;                  ///< of the client among all attackers; 0 where they are redrawn
  const float* global = nullptr;  ///< [row] the model that the round starts from
  const float* last_step = nullptr;  ///< [row] how the last round moved it; absent before round 2
};

/// A client's update (its model minus the global one), where it lies on the device.
struct UpdateRow {
  Context& context;
  float* values;
  std::int64_t size;
  /// Where trained tensors lie, without padding and running statistics; absent: everywhere.
  std::span<const ColumnRange> trained = {};

  /// Those columns.
  std::vector<ColumnRange> columns() const {
    if (trained.empty()) return {{.offset = 0, .size = size}};
    return {trained.begin(), trained.end()};
  }
};

/// Multiplies what is trained of an update by a factor: a running statistic that is multiplied is
/// no statistic any more.
void scale(const UpdateRow& update, double factor);

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

/// What a client's training minimises and what is done to its gradient and weights.
struct Objective {
  const Loss* loss = &softmax_cross_entropy_loss();
  Terms terms = {};
};

/// One client. An honest one has no attack.
struct Client {
  int id = 0;
  std::vector<kernels::Sample> samples;  ///< its own data, labelled truthfully
  std::shared_ptr<Attack> attack = {};   ///< the one that all attackers share

  /// Whether it does anything in this round that an honest client would not.
  bool attacks_in(int round) const;
};

/// Clients 0, 1, ... with the images that a partition dealt them and those images' labels.
std::vector<Client> make_population(std::span<const std::vector<int>> partition,
                                    std::span<const std::uint8_t> labels);

}  // namespace redoubt
