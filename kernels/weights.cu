// Weight moments and clipping on CUDA. The weights stay where they are: a few bytes of result come
// to the host.
#include "kernels/weights.h"

#include <cmath>

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

__device__ bool masked(const float* mask, int channel) {
  return mask != nullptr && mask[channel] == 0;
}

/// A block sums one chunk of one unmasked channel: the weights (mean null), or the squares of their
/// distances from *mean. 4 bytes a weight. chunk_sums, chunk_counts: [C][chunks].
template <int kWidth>
__global__ void sum_weight_chunks(ChannelChunks chunks, const float* weights, const float* mask,
                                  const double* mean, double* chunk_sums, long long* chunk_counts) {
  const Chunk chunk(chunks);
  const bool counts = !masked(mask, chunk.channel);
  double sum = 0;
  const double middle = mean == nullptr ? 0 : *mean;
  for (int i = static_cast<int>(threadIdx.x) * kWidth; counts && i < chunk.count;
       i += static_cast<int>(blockDim.x) * kWidth) {
    const Pack<float, kWidth> pack = load<kWidth>(weights + chunk.start + i);
    for (int j = 0; j < kWidth; ++j) {
      const double distance = static_cast<double>(pack.at[j]) - middle;
      sum += mean == nullptr ? distance : distance * distance;
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  chunk_sums[blockIdx.x] = sum;
  chunk_counts[blockIdx.x] = counts ? chunk.count : 0;
}

/// One block adds up all chunks: *quotient = Σ sums / Σ counts (0 where nothing counts), *total =
/// Σ counts.
__global__ void average_chunks(std::int64_t chunks, const double* chunk_sums,
                               const long long* chunk_counts, double* quotient, long long* total) {
  double sum = 0;
  long long count = 0;
  for (std::int64_t i = threadIdx.x; i < chunks; i += blockDim.x) {
    sum += chunk_sums[i];
    count += chunk_counts[i];
  }
  sum = block_sum(sum);
  count = block_sum(count);
  if (threadIdx.x != 0) return;
  *quotient = count == 0 ? 0 : sum / static_cast<double>(count);
  *total = count;
}

/// 4 bytes a weight read, and 4 written where one is zeroed. Counts are whole numbers, so the
/// atomic addition gives the same result in any order.
template <int kWidth>
__global__ void zero_far_weights(ChannelChunks chunks, double low, double high, const float* mask,
                                 float* weights, unsigned long long* zeroed) {
  const Chunk chunk(chunks);
  if (masked(mask, chunk.channel)) return;
  unsigned long long found = 0;
  for (int i = static_cast<int>(threadIdx.x) * kWidth; i < chunk.count;
       i += static_cast<int>(blockDim.x) * kWidth) {
    Pack<float, kWidth> pack = load<kWidth>(weights + chunk.start + i);
    unsigned far = 0;
    for (int j = 0; j < kWidth; ++j) {
      const auto weight = static_cast<double>(pack.at[j]);
      if (weight >= low && weight <= high) continue;
      pack.at[j] = 0;
      ++far;
    }
    if (far > 0) store(weights + chunk.start + i, pack);
    found += far;
  }
  found = block_sum(found);
  if (threadIdx.x == 0 && found > 0) atomicAdd(zeroed, found);
}

/// What the moments' kernels leave in scratch.
struct Moments {
  double mean;
  double variance;
  long long count;
};

}  // namespace

WeightMoments weight_moments(Context& context, const WeightShape& shape, const float* weights,
                             const float* mask) {
  if (shape.channels == 0 || shape.per_channel == 0) return {};
  const ChannelChunks chunks(1, shape.channels, shape.per_channel);
  const std::int64_t count = chunks.blocks();
  const auto cells = static_cast<std::size_t>(count);
  auto* moments = static_cast<Moments*>(
      context.scratch(sizeof(Moments) + cells * (sizeof(double) + sizeof(long long))));
  auto* chunk_sums = reinterpret_cast<double*>(moments + 1);
  auto* chunk_counts = reinterpret_cast<long long*>(chunk_sums + cells);
  for (const bool squares : {false, true}) {
    with_pack_width(
        chunks.size,
        [&](auto width) {
          launch(context, squares ? "weight_deviation" : "weight_mean", chunks.launch_shape(width),
                 sum_weight_chunks<width>, chunks, weights, mask,
                 squares ? &moments->mean : nullptr, chunk_sums, chunk_counts);
        },
        Replicas<const float>(weights, 0));
    launch(context, "average_chunks", {.grid = {1}, .block = {kBlock}}, average_chunks, count,
           chunk_sums, chunk_counts, squares ? &moments->variance : &moments->mean,
           &moments->count);
  }
  Moments result = {};
  context.copy_to_host(&result, moments, sizeof(result));
  return {.mean = result.mean, .deviation = std::sqrt(result.variance), .count = result.count};
}

std::int64_t zero_weights_outside(Context& context, const WeightShape& shape, double low,
                                  double high, const float* mask, float* weights) {
  if (shape.channels == 0 || shape.per_channel == 0) return 0;
  const ChannelChunks chunks(1, shape.channels, shape.per_channel);
  auto* zeroed = context.scratch_of<unsigned long long>(1);
  context.fill_zero(zeroed, sizeof(*zeroed));
  with_pack_width(
      chunks.size,
      [&](auto width) {
        launch(context, "zero_weights_outside", chunks.launch_shape(width), zero_far_weights<width>,
               chunks, low, high, mask, weights, zeroed);
      },
      Replicas<float>(weights, 0));
  unsigned long long result = 0;
  context.copy_to_host(&result, zeroed, sizeof(result));
  return static_cast<std::int64_t>(result);
}

}  // namespace redoubt::kernels::cuda
