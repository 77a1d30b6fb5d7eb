// Softmax cross-entropy on CUDA.
#include "kernels/loss.h"

#include <limits>

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

/// One image's logits: `stride` floats lie between classes.
struct Softmax {
  float largest;
  float total;  ///< Σ exp(logit - largest)

  __device__ Softmax(const float* logits, int classes, int stride) : largest(logits[0]), total(0) {
    for (int c = 1; c < classes; ++c) {
      const float logit = logits[static_cast<std::int64_t>(c) * stride];
      largest = logit > largest ? logit : largest;
    }
    for (int c = 0; c < classes; ++c) {
      total += expf(logits[static_cast<std::int64_t>(c) * stride] - largest);
    }
  }
};

/// The first of the largest logits is the label's, and none is NaN.
__device__ bool is_correct(const float* logits, int classes, int stride, int label) {
  const float chosen = logits[static_cast<std::int64_t>(label) * stride];
  for (int c = 0; c < classes; ++c) {
    const float other = logits[static_cast<std::int64_t>(c) * stride];
    if (other != other || other > chosen || (other == chosen && c < label)) return false;
  }
  return true;
}

/// A block takes one replica, a thread every blockDim-th image; neighbouring threads read
/// neighbouring floats. Logits are few (10 classes x 64 images are 2.5 KB), so the kernel's time is
/// its latency. Where a label is not a class the loss is NaN, to be noticed.
__global__ void softmax_losses(LossShape shape, Replicas<const float> logits,
                               Replicas<const std::int32_t> labels, Replicas<float> grad_logits,
                               LossTotals* totals) {
  __shared__ float share;
  const int r = static_cast<int>(blockIdx.x);
  double loss = 0;
  long long correct = 0;
  long long count = 0;
  for (int n = static_cast<int>(threadIdx.x); n < shape.batch; n += static_cast<int>(blockDim.x)) {
    const int label = labels[r][n];
    if (label < 0) continue;
    ++count;
    if (label >= shape.classes) {
      loss = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    const float* image = logits[r] + n;
    const Softmax softmax(image, shape.classes, shape.batch);
    loss += log(static_cast<double>(softmax.total)) + static_cast<double>(softmax.largest) -
            static_cast<double>(image[static_cast<std::int64_t>(label) * shape.batch]);
    correct += is_correct(image, shape.classes, shape.batch, label) ? 1 : 0;
  }
  loss = block_sum(loss);
  correct = block_sum(correct);
  count = block_sum(count);
  if (threadIdx.x == 0) {
    totals[r].loss += loss;
    totals[r].correct += correct;
    totals[r].count += count;
    share = count == 0 ? 0 : 1.0F / static_cast<float>(count);
  }
  if (!grad_logits) return;
  __syncthreads();
  for (int n = static_cast<int>(threadIdx.x); n < shape.batch; n += static_cast<int>(blockDim.x)) {
    const int label = labels[r][n];
    const float* image = logits[r] + n;
    float* grad = grad_logits[r] + n;
    const Softmax softmax(image, shape.classes, shape.batch);
    for (int c = 0; c < shape.classes; ++c) {
      const std::int64_t at = static_cast<std::int64_t>(c) * shape.batch;
      const float probability = expf(image[at] - softmax.largest) / softmax.total;
      grad[at] = label < 0 ? 0 : (probability - (label == c ? 1.0F : 0.0F)) * share;
    }
  }
}

}  // namespace

void softmax_cross_entropy(Context& context, const LossShape& shape, Replicas<const float> logits,
                           Replicas<const std::int32_t> labels, Replicas<float> grad_logits,
                           LossTotals* totals) {
  launch(context, "softmax_cross_entropy",
         {.grid = {grid_extent(shape.replicas, kMostBlocks)}, .block = {threads_for(shape.batch)}},
         softmax_losses, shape, logits, labels, grad_logits, totals);
}

}  // namespace redoubt::kernels::cuda
