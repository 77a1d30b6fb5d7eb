#include "kernels/activation.h"

#include "base/check.h"
#include "kernels/multiversion.h"

namespace redoubt::kernels {

namespace {

// `x < 0 ? 0 : x` rather than max, so that NaN passes.
REDOUBT_MULTIVERSION
void rectify(std::int64_t count, const float* input, float* output) {
  for (std::int64_t i = 0; i < count; ++i) output[i] = input[i] < 0 ? 0 : input[i];
}

REDOUBT_MULTIVERSION
void gate(std::int64_t count, const float* output, const float* grad_output, float* grad_input) {
  for (std::int64_t i = 0; i < count; ++i) grad_input[i] = output[i] > 0 ? grad_output[i] : 0;
}

REDOUBT_MULTIVERSION
double sum_of_valid(int positions, int batch, int valid, const float* values) {
  double total = 0;
  for (int s = 0; s < positions; ++s) {
    const float* row = values + static_cast<std::int64_t>(s) * batch;
#pragma omp simd reduction(+ : total)
    for (int n = 0; n < valid; ++n) total += static_cast<double>(row[n]);
  }
  return total;
}

}  // namespace

void relu_forward(Context& context, const ActivationShape& shape, Replicas<const float> input,
                  const ChannelEffects& effects, Replicas<float> output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::relu_forward(context, shape, input, effects, output);
  }
  check(!effects.record || effects.valid != nullptr, "recording needs the count of valid images");
  const std::int64_t size = shape.channel_size();
  for (int r = 0; r < shape.replicas; ++r) {
    for (int c = 0; c < shape.channels; ++c) {
      float* channel = output[r] + c * size;
      if (effects.mask && effects.mask[r][c] == 0) {
        for (std::int64_t i = 0; i < size; ++i) channel[i] = 0;
        continue;
      }
      rectify(size, input[r] + c * size, channel);
      if (effects.record) {
        effects.record[r][c] +=
            sum_of_valid(shape.positions, shape.batch, effects.valid[r], channel);
      }
    }
  }
}

void relu_backward(Context& context, const ActivationShape& shape, Replicas<const float> output,
                   Replicas<const float> grad_output, Replicas<float> grad_input) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::relu_backward(context, shape, output, grad_output, grad_input);
  }
  for (int r = 0; r < shape.replicas; ++r) {
    gate(shape.size(), output[r], grad_output[r], grad_input[r]);
  }
}

}  // namespace redoubt::kernels
