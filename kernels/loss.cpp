#include "kernels/loss.h"

#include <cmath>

#include "base/check.h"
#include "kernels/multiversion.h"

namespace redoubt::kernels {

namespace {

/// One replica's batch. `largest` and `total` are [N]: each image's largest logit and its sum of
/// exps.
REDOUBT_MULTIVERSION
void softmax_sums(int classes, int batch, const float* logits, float* largest, float* total) {
  for (int n = 0; n < batch; ++n) largest[n] = logits[n];
  for (int c = 1; c < classes; ++c) {
    const float* row = logits + static_cast<std::int64_t>(c) * batch;
    for (int n = 0; n < batch; ++n) largest[n] = row[n] > largest[n] ? row[n] : largest[n];
  }
  for (int n = 0; n < batch; ++n) total[n] = 0;
  for (int c = 0; c < classes; ++c) {
    const float* row = logits + static_cast<std::int64_t>(c) * batch;
    for (int n = 0; n < batch; ++n) total[n] += std::exp(row[n] - largest[n]);
  }
}

/// The first of the largest logits is the label's, and none is NaN.
bool is_correct(int classes, int batch, const float* logits, int n, int label) {
  const float chosen = logits[static_cast<std::int64_t>(label) * batch + n];
  for (int c = 0; c < classes; ++c) {
    const float other = logits[static_cast<std::int64_t>(c) * batch + n];
    if (std::isnan(other) || other > chosen || (other == chosen && c < label)) return false;
  }
  return true;
}

LossTotals totals_of(const LossShape& shape, const float* logits, const std::int32_t* labels,
                     const float* largest, const float* total) {
  LossTotals sums;
  for (int n = 0; n < shape.batch; ++n) {
    const int label = labels[n];
    if (label < 0) continue;
    check(label < shape.classes, "a label is below the number of classes");
    const float logit = logits[static_cast<std::int64_t>(label) * shape.batch + n];
    sums.loss += std::log(static_cast<double>(total[n])) + static_cast<double>(largest[n]) -
                 static_cast<double>(logit);
    sums.correct += is_correct(shape.classes, shape.batch, logits, n, label) ? 1 : 0;
    ++sums.count;
  }
  return sums;
}

void write_gradient(const LossShape& shape, const float* logits, const std::int32_t* labels,
                    const float* largest, const float* total, std::int64_t count, float* grad) {
  const float share = count == 0 ? 0 : 1.0F / static_cast<float>(count);
  for (int c = 0; c < shape.classes; ++c) {
    const std::int64_t row = static_cast<std::int64_t>(c) * shape.batch;
    for (int n = 0; n < shape.batch; ++n) {
      if (labels[n] < 0) {
        grad[row + n] = 0;
        continue;
      }
      const float probability = std::exp(logits[row + n] - largest[n]) / total[n];
      grad[row + n] = (probability - (labels[n] == c ? 1.0F : 0.0F)) * share;
    }
  }
}

}  // namespace

void softmax_cross_entropy(Context& context, const LossShape& shape, Replicas<const float> logits,
                           Replicas<const std::int32_t> labels, Replicas<float> grad_logits,
                           LossTotals* totals) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::softmax_cross_entropy(context, shape, logits, labels, grad_logits, totals);
  }
  auto* largest = context.scratch_of<float>(2 * static_cast<std::size_t>(shape.batch));
  float* total = largest + shape.batch;
  for (int r = 0; r < shape.replicas; ++r) {
    softmax_sums(shape.classes, shape.batch, logits[r], largest, total);
    const LossTotals sums = totals_of(shape, logits[r], labels[r], largest, total);
    if (grad_logits) {
      write_gradient(shape, logits[r], labels[r], largest, total, sums.count, grad_logits[r]);
    }
    totals[r] += sums;
  }
}

}  // namespace redoubt::kernels
