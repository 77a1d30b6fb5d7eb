// What a training step minimises.
#pragma once

#include <cstdint>

#include "kernels/loss.h"

namespace redoubt {

/// A loss of R replicas' logits [R][classes][N].
class Loss {
 public:
  Loss() = default;
  virtual ~Loss() = default;
  Loss(const Loss&) = delete;
  Loss& operator=(const Loss&) = delete;

  /// Overwrites `gradient`, of the mean over each replica's images that are no padding, and adds
  /// each replica's loss to totals[r]. labels [R][N], -1 for padding.
  virtual void operator()(Context& context, const kernels::LossShape& shape,
                          kernels::Replicas<const float> logits,
                          kernels::Replicas<const std::int32_t> labels,
                          kernels::Replicas<float> gradient, kernels::LossTotals* totals) const = 0;
};

/// Cross-entropy of the softmax: what everybody minimises unless an attack says otherwise.
const Loss& softmax_cross_entropy_loss();

}  // namespace redoubt
