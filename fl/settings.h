// What an experiment says about the federation.
#pragma once

#include <optional>

#include "engine/optimizer.h"

namespace redoubt {

/// How a client trains on its own data in a round.
struct LocalTraining {
  int epochs = 1;
  int batch = 64;  ///< the last batch of an epoch may be smaller
  OptimizerSettings optimizer;
  /// λ of an extra loss λ·‖w‖² on the last conv layer's weights (Wu et al. 2020, section VI-A),
  /// that is 2·λ·w in the gradient.
  float last_conv_l2 = 0;
  bool operator==(const LocalTraining&) const = default;
};

struct FederationSettings {
  int clients = 10;
  std::optional<int> clients_per_round;  ///< drawn anew each round; absent: all
  int rounds = 30;
  float server_lr = 1;  ///< η: global += η · aggregate
  /// The local learning rate of round t is lr · lr_decay^(t-1).
  double lr_decay = 1;
  /// Which model leaves the training rounds: the last, or the one of the best validation accuracy.
  enum class Keep : std::uint8_t { last, best };
  Keep keep = Keep::last;
  /// The model is tested after every that many rounds, and after the last.
  int evaluate_every = 1;
  /// Rows trained side by side; absent: from free memory. Results do not depend on it on a CPU.
  std::optional<int> wave;
  /// Samples in file order instead of a fresh order each epoch.
  bool shuffle = true;
  LocalTraining local;
};

}  // namespace redoubt
