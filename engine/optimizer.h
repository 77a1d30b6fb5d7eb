// Which optimizer steps a client's model, and with what settings.
#pragma once

#include <cstdint>

namespace redoubt {

struct OptimizerSettings {
  enum class Kind : std::uint8_t { sgd, adam };
  Kind kind = Kind::sgd;
  float learning_rate = 0.01F;
  float momentum = 0;      ///< sgd only
  float weight_decay = 0;  ///< added to the gradient, as PyTorch does
  float beta1 = 0.9F;      ///< adam only, as the two below
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  bool operator==(const OptimizerSettings&) const = default;

  /// Rows of state a model needs: velocity, or two moments.
  int state_rows() const { return kind == Kind::adam ? 2 : (momentum != 0 ? 1 : 0); }
};

}  // namespace redoubt
