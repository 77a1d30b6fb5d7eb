// Stochastic gradient descent: kernels/update.h.
#pragma once

#include "base/keys.h"
#include "engine/optimizers/step.h"

namespace redoubt {

struct Sgd {
  static constexpr const char* kName = "sgd";
  static constexpr const char* kDescription =
      "stochastic gradient descent, with or without momentum";
  struct Settings {
    float learning_rate = 0.01F;
    float momentum = 0;
    float weight_decay = 0;  ///< added to the gradient, as PyTorch does
    bool operator==(const Settings&) const = default;

    /// Rows of state that a model needs: its velocity.
    int state_rows() const { return momentum != 0 ? 1 : 0; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("lr", s.learning_rate, "local learning rate of the first round", above(0));
      v.field("momentum", s.momentum, "momentum: v = momentum * v + gradient, w = w - lr * v",
              from_to_below(0, 1));
      v.field("weight_decay", s.weight_decay,
              "weight decay: times the parameters, added to the gradient", at_least(0));
    }
  };

  static void step(const Settings& settings, const OptimizerStep& on);
};

}  // namespace redoubt
