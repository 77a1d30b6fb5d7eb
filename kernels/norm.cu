// Batch normalisation on CUDA: a block takes one channel of one replica, whose values it reads
// twice in training (three times where the channel does not fit into the L1 cache) and twice going
// back. Threads walk along memory; images that are padding count for nothing.
#include "kernels/cuda_parts.h"
#include "kernels/norm.h"

namespace redoubt::kernels::cuda {

namespace {

/// The channel of the calling block.
struct OwnChannel {
  int replica;
  int channel;
  std::int64_t start;  ///< of the channel in its replica
  std::int64_t size;

  __device__ explicit OwnChannel(const ActivationShape& shape)
      : replica(static_cast<int>(blockIdx.x) / shape.channels),
        channel(static_cast<int>(blockIdx.x) % shape.channels),
        start(channel * shape.channel_size()),
        size(shape.channel_size()) {}
};

LaunchShape one_block_a_channel(const ActivationShape& shape) {
  return {.grid = {grid_extent(std::int64_t{shape.replicas} * shape.channels, kMostBlocks)},
          .block = {threads_for(shape.channel_size())}};
}

/// Σ body(i) over the channel's valid values, for every thread of the block.
template <class Body>
__device__ double sum_over_valid(const ActivationShape& shape, const OwnChannel& own, int valid,
                                 const Body& body) {
  __shared__ double result;
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < own.size; i += blockDim.x) {
    if (static_cast<int>(i % shape.batch) < valid) sum += body(i);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) result = sum;
  __syncthreads();
  sum = result;
  __syncthreads();  // `result` is free for the next sum
  return sum;
}

__device__ void move_towards(float& running, double share, double value) {
  running = static_cast<float>((1 - share) * static_cast<double>(running) + share * value);
}

/// A block counts one replica's labels.
__global__ void count_labels(int batch, Replicas<const std::int32_t> labels, int* valid) {
  int count = 0;
  for (int n = static_cast<int>(threadIdx.x); n < batch; n += static_cast<int>(blockDim.x)) {
    count += labels[static_cast<int>(blockIdx.x)][n] >= 0 ? 1 : 0;
  }
  count = block_sum(count);
  if (threadIdx.x == 0) valid[blockIdx.x] = count;
}

/// 16 bytes a value from memory, or 8 where the channel stays in a cache.
__global__ void normalize_by_batch(ActivationShape shape, BatchNormSettings settings,
                                   const int* valid_images, Replicas<const float> input,
                                   BatchNormRows rows, Replicas<float> saved,
                                   Replicas<float> output) {
  const OwnChannel own(shape);
  const int r = own.replica;
  const int c = own.channel;
  const int valid = valid_images[r];
  const float* x = input[r] + own.start;
  const double count = static_cast<double>(shape.positions) * valid;
  double mean = 0;
  double variance = 0;
  if (count > 0) {
    mean = sum_over_valid(shape, own, valid,
                          [&](std::int64_t i) { return static_cast<double>(x[i]); }) /
           count;
    variance = sum_over_valid(shape, own, valid,
                              [&](std::int64_t i) {
                                const double distance = static_cast<double>(x[i]) - mean;
                                return distance * distance;
                              }) /
               count;
  }
  const auto centre = static_cast<float>(mean);
  const auto inverse =
      static_cast<float>(1 / sqrt(variance + static_cast<double>(settings.epsilon)));
  if (threadIdx.x == 0) {
    saved[r][c] = centre;
    saved[r][shape.channels + c] = inverse;
    const auto share = static_cast<double>(settings.momentum);
    if (count > 0) move_towards(rows.running_mean[r][c], share, mean);
    if (count > 1) {
      move_towards(rows.running_variance[r][c], share, variance * count / (count - 1));
    }
  }
  const float scale = inverse * rows.gamma[r][c];
  const float shift = rows.beta[r][c];
  float* y = output[r] + own.start;
  for (std::int64_t i = threadIdx.x; i < own.size; i += blockDim.x) {
    y[i] = (x[i] - centre) * scale + shift;
  }
}

/// 8 bytes a value.
__global__ void normalize_by_running(ActivationShape shape, BatchNormSettings settings,
                                     Replicas<const float> input, Replicas<const float> gamma,
                                     Replicas<const float> beta, Replicas<const float> mean,
                                     Replicas<const float> variance, Replicas<float> output) {
  const OwnChannel own(shape);
  const int r = own.replica;
  const int c = own.channel;
  const auto spread = static_cast<double>(variance[r][c]);
  const auto inverse = static_cast<float>(
      1 / sqrt((spread > 0 ? spread : 0) + static_cast<double>(settings.epsilon)));
  const float centre = mean[r][c];
  const float scale = inverse * gamma[r][c];
  const float shift = beta[r][c];
  const float* x = input[r] + own.start;
  float* y = output[r] + own.start;
  for (std::int64_t i = threadIdx.x; i < own.size; i += blockDim.x) {
    y[i] = (x[i] - centre) * scale + shift;
  }
}

/// 20 bytes a value from memory, or 12 where the channel stays in a cache.
__global__ void normalize_backward(ActivationShape shape, const int* valid_images,
                                   Replicas<const float> input, Replicas<const float> gamma,
                                   Replicas<const float> saved, Replicas<const float> grad_output,
                                   Replicas<float> grad_gamma, Replicas<float> grad_beta,
                                   Replicas<float> grad_input) {
  const OwnChannel own(shape);
  const int r = own.replica;
  const int c = own.channel;
  const int valid = valid_images[r];
  const float mean = saved[r][c];
  const float inverse = saved[r][shape.channels + c];
  const float* x = input[r] + own.start;
  const float* dy = grad_output[r] + own.start;
  const double sum =
      sum_over_valid(shape, own, valid, [&](std::int64_t i) { return static_cast<double>(dy[i]); });
  const double along = sum_over_valid(shape, own, valid, [&](std::int64_t i) {
    return static_cast<double>(dy[i]) * (static_cast<double>(x[i]) - static_cast<double>(mean));
  });
  if (threadIdx.x == 0) {
    grad_beta[r][c] = static_cast<float>(sum);
    grad_gamma[r][c] = static_cast<float>(along * static_cast<double>(inverse));
  }
  if (!grad_input) return;
  const double positions = static_cast<double>(shape.positions) * valid;
  const double count = positions > 1 ? positions : 1;
  const float scale = gamma[r][c] * inverse;
  const auto mean_dy = static_cast<float>(sum / count);
  const auto slope = static_cast<float>(along * static_cast<double>(inverse) *
                                        static_cast<double>(inverse) / count);
  float* dx = grad_input[r] + own.start;
  for (std::int64_t i = threadIdx.x; i < own.size; i += blockDim.x) {
    const bool counts = static_cast<int>(i % shape.batch) < valid;
    dx[i] = counts ? scale * (dy[i] - mean_dy - (x[i] - mean) * slope) : 0;
  }
}

}  // namespace

void count_valid(Context& context, int replicas, int batch, Replicas<const std::int32_t> labels,
                 int* valid) {
  launch(context, "count_valid",
         {.grid = {grid_extent(replicas, kMostBlocks)}, .block = {threads_for(batch)}},
         count_labels, batch, labels, valid);
}

void batch_norm_training(Context& context, const ActivationShape& shape,
                         const BatchNormSettings& settings, const int* valid,
                         Replicas<const float> input, const BatchNormRows& rows,
                         Replicas<float> saved, Replicas<float> output) {
  launch(context, "batch_norm_training", one_block_a_channel(shape), normalize_by_batch, shape,
         settings, valid, input, rows, saved, output);
}

void batch_norm_inference(Context& context, const ActivationShape& shape,
                          const BatchNormSettings& settings, Replicas<const float> input,
                          Replicas<const float> gamma, Replicas<const float> beta,
                          Replicas<const float> mean, Replicas<const float> variance,
                          Replicas<float> output) {
  launch(context, "batch_norm_inference", one_block_a_channel(shape), normalize_by_running, shape,
         settings, input, gamma, beta, mean, variance, output);
}

void batch_norm_backward(Context& context, const ActivationShape& shape, const int* valid,
                         Replicas<const float> input, Replicas<const float> gamma,
                         Replicas<const float> saved, Replicas<const float> grad_output,
                         Replicas<float> grad_gamma, Replicas<float> grad_beta,
                         Replicas<float> grad_input) {
  launch(context, "batch_norm_backward", one_block_a_channel(shape), normalize_backward, shape,
         valid, input, gamma, saved, grad_output, grad_gamma, grad_beta, grad_input);
}

}  // namespace redoubt::kernels::cuda
