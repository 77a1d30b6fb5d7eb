// Batch normalisation (Ioffe and Szegedy 2015, algorithms 1 and 2; running statistics as in
// PyTorch) over activations [R][C][S][N]: a channel of a replica is normalised over its positions
// and the real images of its batch. Sums in double.
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

struct BatchNormSettings {
  float epsilon = 1e-5F;
  float momentum = 0.1F;  ///< the share of a new batch in the running statistics
};

/// A layer's parameters and statistics, each [R][C].
struct BatchNormRows {
  Replicas<const float> gamma = {};
  Replicas<const float> beta = {};
  Replicas<float> running_mean = {};
  Replicas<float> running_variance = {};
};

/// valid[r] = how many of labels [R][N] are not negative: the real images of each batch, which lie
/// before its padding.
void count_valid(Context& context, int replicas, int batch, Replicas<const std::int32_t> labels,
                 int* valid);

/// output = γ · (input - μ) / √(σ² + ε) + β with mean μ and variance σ² (divided by the count) of
/// the batch's first valid[r] images; the others get the same treatment and count for nothing.
/// `saved` [R][2][C] keeps μ and 1 / √(σ² + ε) for the backward pass. Running statistics move by
/// `momentum` towards μ and the variance divided by the count less one; a single value leaves the
/// running variance, and a replica without valid images leaves both, as they are.
void batch_norm_training(Context& context, const ActivationShape& shape,
                         const BatchNormSettings& settings, const int* valid,
                         Replicas<const float> input, const BatchNormRows& rows,
                         Replicas<float> saved, Replicas<float> output);

/// The same with running statistics [R][C] instead of the batch's. A variance below -ε makes NaN,
/// as in PyTorch.
void batch_norm_inference(Context& context, const ActivationShape& shape,
                          const BatchNormSettings& settings, Replicas<const float> input,
                          Replicas<const float> gamma, Replicas<const float> beta,
                          Replicas<const float> mean, Replicas<const float> variance,
                          Replicas<float> output);

/// Overwrites grad_gamma, grad_beta [R][C] and grad_input (which may be absent; 0 for images that
/// are not valid), by what batch_norm_training() saved. grad_input may be grad_output.
void batch_norm_backward(Context& context, const ActivationShape& shape, const int* valid,
                         Replicas<const float> input, Replicas<const float> gamma,
                         Replicas<const float> saved, Replicas<const float> grad_output,
                         Replicas<float> grad_gamma, Replicas<float> grad_beta,
                         Replicas<float> grad_input);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::count_valid) count_valid;
decltype(kernels::batch_norm_training) batch_norm_training;
decltype(kernels::batch_norm_inference) batch_norm_inference;
decltype(kernels::batch_norm_backward) batch_norm_backward;
}  // namespace cuda

}  // namespace redoubt::kernels
