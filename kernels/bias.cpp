#include "kernels/bias.h"

#include "kernels/multiversion.h"

namespace redoubt::kernels {

namespace {

REDOUBT_MULTIVERSION
void add_to_all(std::int64_t count, float number, float* values) {
  for (std::int64_t i = 0; i < count; ++i) values[i] += number;
}

REDOUBT_MULTIVERSION
float sum(std::int64_t count, const float* values) {
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) total += values[i];
  return total;
}

}  // namespace

void add_bias(Context& context, const ActivationShape& shape, Replicas<const float> bias,
              Replicas<float> values) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::add_bias(context, shape, bias, values);
  }
  for (int r = 0; r < shape.replicas; ++r) {
    for (int c = 0; c < shape.channels; ++c) {
      add_to_all(shape.channel_size(), bias[r][c], values[r] + c * shape.channel_size());
    }
  }
}

void bias_gradient(Context& context, const ActivationShape& shape,
                   Replicas<const float> grad_output, Replicas<float> grad_bias) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::bias_gradient(context, shape, grad_output, grad_bias);
  }
  for (int r = 0; r < shape.replicas; ++r) {
    for (int c = 0; c < shape.channels; ++c) {
      grad_bias[r][c] = sum(shape.channel_size(), grad_output[r] + c * shape.channel_size());
    }
  }
}

}  // namespace redoubt::kernels
