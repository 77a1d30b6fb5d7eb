// ReLU with channel mask and recording on CUDA. All kernels here move bytes and hardly compute:
// their floor is bytes / memory bandwidth.
#include "base/check.h"
#include "kernels/activation.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

/// ReLU, channel mask and the sum of a channel's outputs in one pass: a block takes one chunk of
/// one channel, so mask and record are one number a block. 8 bytes an element (4 read, 4 written);
/// a silent channel is not even read. chunk_sums [R·C][chunks]: the sum over the chunk's real
/// images.
template <int kWidth>
__global__ void rectify_channels(ChannelChunks chunks, int batch, Replicas<const float> input,
                                 ChannelEffects effects, double* chunk_sums,
                                 Replicas<float> output) {
  const Chunk chunk(chunks);
  const float* in = input[chunk.replica] + chunk.start;
  float* out = output[chunk.replica] + chunk.start;
  const bool silent = effects.mask && effects.mask[chunk.replica][chunk.channel] == 0;
  const int valid = effects.record ? effects.valid[chunk.replica] : 0;
  const int first_image = static_cast<int>(chunk.first % batch);
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x) * kWidth; i < chunk.count;
       i += static_cast<int>(blockDim.x) * kWidth) {
    Pack<float, kWidth> values = {};
    if (!silent) values = load<kWidth>(in + i);
    for (int j = 0; j < kWidth; ++j) {
      // `x < 0 ? 0 : x` rather than max, so that NaN passes.
      values.at[j] = values.at[j] < 0 ? 0 : values.at[j];
      if (valid == 0) continue;
      const bool real = valid >= batch || (first_image + i + j) % batch < valid;
      sum += real ? static_cast<double>(values.at[j]) : 0;
    }
    store(out + i, values);
  }
  if (!effects.record) return;
  sum = block_sum(sum);
  if (threadIdx.x == 0) chunk_sums[blockIdx.x] = sum;
}

/// Passes the gradient where the output is above 0. 12 bytes an element.
template <int kWidth>
__global__ void gate_gradient(std::int64_t size, Replicas<const float> output,
                              Replicas<const float> grad_output, Replicas<float> grad_input) {
  const std::int64_t i = pack_index(kWidth);
  if (i >= size) return;
  const int r = static_cast<int>(blockIdx.y);
  const Pack<float, kWidth> out = load<kWidth>(output[r] + i);
  Pack<float, kWidth> grad = load<kWidth>(grad_output[r] + i);
  for (int j = 0; j < kWidth; ++j) grad.at[j] = out.at[j] > 0 ? grad.at[j] : 0;
  store(grad_input[r] + i, grad);
}

}  // namespace

void relu_forward(Context& context, const ActivationShape& shape, Replicas<const float> input,
                  const ChannelEffects& effects, Replicas<float> output) {
  // Where no channel is special, a replica is one long channel.
  const bool plain = !effects.mask && !effects.record;
  const ChannelChunks chunks =
      plain ? ChannelChunks(shape.replicas, 1, shape.size()) : ChannelChunks(shape);
  ChannelRecord record(context, chunks.replicas, chunks.channels, chunks.chunks, effects);
  with_pack_width(
      chunks.size,
      [&](auto width) {
        launch(context, "relu_forward", chunks.launch_shape(width), rectify_channels<width>, chunks,
               shape.batch, input, effects, record.part_sums(), output);
      },
      input, output);
  record.add_up();
}

void relu_backward(Context& context, const ActivationShape& shape, Replicas<const float> output,
                   Replicas<const float> grad_output, Replicas<float> grad_input) {
  with_pack_width(
      shape.size(),
      [&](auto width) {
        launch(context, "relu_backward", over_replicas(shape.replicas, shape.size(), width),
               gate_gradient<width>, shape.size(), output, grad_output, grad_input);
      },
      output, grad_output, grad_input);
}

}  // namespace redoubt::kernels::cuda
