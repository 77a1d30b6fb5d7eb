// Adam (Kingma and Ba 2015): kernels/update.h.
#pragma once

#include "base/keys.h"
#include "engine/optimizers/step.h"

namespace redoubt {

struct Adam {
  static constexpr const char* kName = "adam";
  static constexpr const char* kDescription = "Adam: steps by running moments of the gradient";
  struct Settings {
    float learning_rate = 0.01F;
    float beta1 = 0.9F;
    float beta2 = 0.999F;
    float epsilon = 1e-8F;
    float weight_decay = 0;  ///< added to the gradient, as PyTorch does
    bool operator==(const Settings&) const = default;

    /// Rows of state that a model needs: two moments.
    int state_rows() const { return 2; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("lr", s.learning_rate, "local learning rate of the first round", above(0));
      v.field("beta1", s.beta1, "decay of the first moment", from_to_below(0, 1));
      v.field("beta2", s.beta2, "decay of the second moment", from_to_below(0, 1));
      v.field("epsilon", s.epsilon, "added to the root of the second moment", above(0));
      v.field("weight_decay", s.weight_decay,
              "weight decay: times the parameters, added to the gradient", at_least(0));
    }
  };

  static void step(const Settings& settings, const OptimizerStep& on);
};

}  // namespace redoubt
