// Bias on CUDA. Both kernels are bound by memory bandwidth.
#include "kernels/bias.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

/// One number added to a chunk of a channel. 8 bytes an element.
template <int kWidth>
__global__ void add_to_channels(ChannelChunks chunks, Replicas<const float> bias,
                                Replicas<float> values) {
  const Chunk chunk(chunks);
  const float number = bias[chunk.replica][chunk.channel];
  float* out = values[chunk.replica] + chunk.start;
  for (int i = static_cast<int>(threadIdx.x) * kWidth; i < chunk.count;
       i += static_cast<int>(blockDim.x) * kWidth) {
    Pack<float, kWidth> pack = load<kWidth>(out + i);
    for (int j = 0; j < kWidth; ++j) pack.at[j] += number;
    store(out + i, pack);
  }
}

/// A block sums one channel: R·C blocks fill a GPU as soon as a fleet trains, and the sum needs no
/// second pass. 4 bytes an element.
template <int kWidth>
__global__ void sum_channels(int channels, std::int64_t size, Replicas<const float> grad_output,
                             Replicas<float> grad_bias) {
  const int replica = static_cast<int>(blockIdx.x / channels);
  const int channel = static_cast<int>(blockIdx.x % channels);
  const float* values = grad_output[replica] + channel * size;
  float sum = 0;
#pragma unroll 4
  for (std::int64_t i = threadIdx.x * kWidth; i < size; i += blockDim.x * kWidth) {
    const Pack<float, kWidth> pack = load<kWidth>(values + i);
    for (int j = 0; j < kWidth; ++j) sum += pack.at[j];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) grad_bias[replica][channel] = sum;
}

}  // namespace

void add_bias(Context& context, const ActivationShape& shape, Replicas<const float> bias,
              Replicas<float> values) {
  const ChannelChunks chunks(shape);
  with_pack_width(
      chunks.size,
      [&](auto width) {
        launch(context, "add_bias", chunks.launch_shape(width), add_to_channels<width>, chunks,
               bias, values);
      },
      values);
}

void bias_gradient(Context& context, const ActivationShape& shape,
                   Replicas<const float> grad_output, Replicas<float> grad_bias) {
  const std::int64_t size = shape.channel_size();
  const std::int64_t rows = std::int64_t{shape.replicas} * shape.channels;
  with_pack_width(
      size,
      [&](auto width) {
        launch(context, "bias_gradient",
               {.grid = {grid_extent(rows, kMostBlocks)},
                .block = {threads_for(divide_up(size, width))}},
               sum_channels<width>, shape.channels, size, grad_output, grad_bias);
      },
      grad_output);
}

}  // namespace redoubt::kernels::cuda
