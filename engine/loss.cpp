#include "engine/loss.h"

namespace redoubt {

namespace {

class SoftmaxCrossEntropy : public Loss {
 public:
  void operator()(Context& context, const kernels::LossShape& shape,
                  kernels::Replicas<const float> logits,
                  kernels::Replicas<const std::int32_t> labels, kernels::Replicas<float> gradient,
                  kernels::LossTotals* totals) const override {
    kernels::softmax_cross_entropy(context, shape, logits, labels, gradient, totals);
  }
};

}  // namespace

const Loss& softmax_cross_entropy_loss() {
  static const SoftmaxCrossEntropy loss;
  return loss;
}

}  // namespace redoubt
