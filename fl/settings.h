// What an experiment says about the federation.
#pragma once

#include <optional>

#include "base/keys.h"
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

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("epochs", s.epochs, "passes over a client's data in a round", at_least(1));
    v.field("batch", s.batch, "images a step; the last batch of an epoch may be smaller",
            between(1, 65536));
    v.field("optimizer", s.optimizer,
            "the optimizer that clients train with; its state starts fresh in each round");
    v.field("last_conv_l2", s.last_conv_l2,
            "lambda of an extra loss lambda * |w|^2 on the last conv layer's weights (Wu et al., "
            "section VI-A)",
            at_least(0));
  }
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
  friend constexpr Names<Keep, 2> names_of(Keep) {
    return {{{"last", Keep::last}, {"best", Keep::best}}};
  }
  Keep keep = Keep::last;
  /// The model is tested after every that many rounds, and after the last.
  int evaluate_every = 1;
  /// Rows trained side by side; absent: from free memory. Results do not depend on it on a CPU.
  std::optional<int> wave;
  /// Samples in file order instead of a fresh order each epoch.
  bool shuffle = true;
  LocalTraining local;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("clients", s.clients, "how many clients there are", between(1, 1e6));
    v.field_or("clients_per_round", s.clients_per_round, "all",
               "how many clients take part in a round, drawn anew each time; all: everyone",
               at_least(1));
    v.field("rounds", s.rounds, "rounds of federated training, before the stages", between(0, 1e6));
    v.field("server_lr", s.server_lr, "server learning rate eta: global = global + eta * aggregate",
            above(0));
    v.field("lr_decay", s.lr_decay, "the local learning rate of round t is lr * lr_decay^(t-1)",
            above_to(0, 1));
    v.field("keep", s.keep,
            "which model leaves training: that of the last round, or of the round best on the "
            "server's validation images");
    v.field("evaluate_every", s.evaluate_every,
            "rounds from one test of the model to the next; the last round is tested, too",
            at_least(1));
    v.field("wave", s.wave,
            "how many clients are trained side by side; null: as many as fit; a CPU's results do "
            "not depend on it",
            at_least(1));
    v.field("local", s.local, "what a client does in a round");
  }
};

}  // namespace redoubt
