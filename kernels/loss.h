// Softmax cross-entropy and the counts that rates are made of.
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

struct LossShape {
  int replicas = 1;
  int classes = 1;
  int batch = 1;
};

/// Sums over images; a rate is a quotient of two of them.
struct LossTotals {
  double loss = 0;           ///< Σ -log softmax(logits)[label]
  std::int64_t correct = 0;  ///< images whose largest logit (the first of equals) is their label's
  std::int64_t count = 0;

  LossTotals& operator+=(const LossTotals& other) {
    loss += other.loss;
    correct += other.correct;
    count += other.count;
    return *this;
  }
  bool operator==(const LossTotals&) const = default;
  double mean_loss() const { return count == 0 ? 0.0 : loss / static_cast<double>(count); }
  double accuracy() const {
    return count == 0 ? 0.0 : static_cast<double>(correct) / static_cast<double>(count);
  }
};

/// logits [R][classes][N], labels [R][N], label -1 for padding. Adds each replica's sums to
/// totals[r]. grad_logits, if given, is overwritten with ∂(mean loss over the replica's real
/// images)/∂logits: (softmax - onehot) / count, and 0 for padding. An image with a NaN logit is not
/// correct. A label that is no class throws std::logic_error (CPU) or makes the loss NaN (CUDA).
void softmax_cross_entropy(Context& context, const LossShape& shape, Replicas<const float> logits,
                           Replicas<const std::int32_t> labels, Replicas<float> grad_logits,
                           LossTotals* totals);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::softmax_cross_entropy) softmax_cross_entropy;
}  // namespace cuda

}  // namespace redoubt::kernels
