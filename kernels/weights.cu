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

/// The packs that a thread holds of its block's chunk of a layer [channels][per_channel], masked
/// channels left out. All are loaded at once.
template <int kWidth>
struct HeldPacks {
  static constexpr int kCount = ChannelChunks::kChunk / kBlock / kWidth;

  Pack<float, kWidth> at[kCount];
  unsigned here = 0;  ///< one bit a pack

  __device__ HeldPacks(const Chunk& chunk, std::int64_t per_channel, const float* weights,
                       const float* mask) {
#pragma unroll
    for (int n = 0; n < kCount; ++n) {
      const std::int64_t i = chunk.start + place(n);
      if (place(n) >= chunk.count || masked(mask, static_cast<int>(i / per_channel))) {
        continue;
      }
      at[n] = load<kWidth>(weights + i);
      here |= 1U << n;
    }
  }
  /// Of the first element of pack n, in the chunk.
  __device__ static int place(int n) {
    return (n * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * kWidth;
  }
  __device__ bool has(int n) const { return (here >> n & 1) != 0; }
};

/// Of some weights: `squares` are those of the distances from their own mean.
struct PartMoments {
  double sum;
  double squares;
  long long count;
};

/// A block holds one chunk of the layer in registers, and so needs not read it again for the
/// distances from its mean. 4 bytes a weight. of_chunk [chunks].
template <int kWidth>
__global__ void measure_chunks(ChannelChunks chunks, std::int64_t per_channel, const float* weights,
                               const float* mask, PartMoments* of_chunk) {
  __shared__ double shared_mean;
  const Chunk chunk(chunks);
  const HeldPacks<kWidth> packs(chunk, per_channel, weights, mask);
  const auto over_own = [&](const auto& term) {
    double sums[2] = {};
#pragma unroll
    for (int n = 0; n < packs.kCount; ++n) {
      if (!packs.has(n)) continue;
      for (int j = 0; j < kWidth; ++j) {
        sums[(n * kWidth + j) % 2] += term(static_cast<double>(packs.at[n].at[j]));
      }
    }
    return block_sum(sums[0] + sums[1]);
  };
  PartMoments moments = {};
  moments.sum = over_own([](double weight) { return weight; });
  moments.count = mask == nullptr ? chunk.count : block_sum(__popc(packs.here) * kWidth);
  if (threadIdx.x == 0) {
    shared_mean = moments.count == 0 ? 0 : moments.sum / static_cast<double>(moments.count);
  }
  __syncthreads();
  const double mean = shared_mean;
  moments.squares = over_own([&](double weight) { return (weight - mean) * (weight - mean); });
  if (threadIdx.x == 0) of_chunk[blockIdx.x] = moments;
}

/// What weight_moments() takes to the host.
struct Moments {
  double mean;
  double variance;
  long long count;
};

constexpr int kCombiningBlock = 1024;

/// One block puts all chunks together: Σ (w - mean)² = Σ squares + Σ count · (own mean - mean)²
/// (Chan, Golub & LeVeque 1983). 48 bytes a chunk.
__global__ void __launch_bounds__(kCombiningBlock, 1)
    combine_chunks(std::int64_t chunks, const PartMoments* of_chunk, Moments* result) {
  __shared__ Moments shared;
  double sum = 0;
  long long count = 0;
#pragma unroll 4
  for (std::int64_t i = threadIdx.x; i < chunks; i += blockDim.x) {
    sum += of_chunk[i].sum;
    count += of_chunk[i].count;
  }
  sum = block_sum(sum);
  count = block_sum(count);
  if (threadIdx.x == 0) {
    shared.mean = count == 0 ? 0 : sum / static_cast<double>(count);
    shared.count = count;
  }
  __syncthreads();
  double squares = 0;
#pragma unroll 4
  for (std::int64_t i = threadIdx.x; i < chunks; i += blockDim.x) {
    const PartMoments part = of_chunk[i];
    if (part.count == 0) continue;
    const auto weights = static_cast<double>(part.count);
    const double distance = part.sum / weights - shared.mean;
    squares += part.squares + weights * distance * distance;
  }
  squares = block_sum(squares);
  if (threadIdx.x != 0) return;
  *result = shared;
  result->variance = count == 0 ? 0 : squares / static_cast<double>(count);
}

/// 4 bytes a weight read, and 4 written where one is zeroed. Counts are whole numbers, so the
/// atomic addition gives the same result in any order.
template <int kWidth>
__global__ void zero_far_weights(ChannelChunks chunks, std::int64_t per_channel, double low,
                                 double high, const float* mask, float* weights,
                                 unsigned long long* zeroed) {
  const Chunk chunk(chunks);
  HeldPacks<kWidth> packs(chunk, per_channel, weights, mask);
  unsigned found = 0;
#pragma unroll
  for (int n = 0; n < packs.kCount; ++n) {
    if (!packs.has(n)) continue;
    unsigned far = 0;
    for (int j = 0; j < kWidth; ++j) {
      const auto weight = static_cast<double>(packs.at[n].at[j]);
      if (weight >= low && weight <= high) continue;
      packs.at[n].at[j] = 0;
      ++far;
    }
    if (far > 0) store(weights + chunk.start + packs.place(n), packs.at[n]);
    found += far;
  }
  found = block_sum(found);
  if (threadIdx.x == 0 && found > 0) {
    atomicAdd(zeroed, static_cast<unsigned long long>(found));
  }
}

}  // namespace

WeightMoments weight_moments(Context& context, const WeightShape& shape, const float* weights,
                             const float* mask) {
  if (shape.channels == 0 || shape.per_channel == 0) return {};
  // Channels follow one another, so the layer is cut where it suits; a pack has one mask.
  const ChannelChunks chunks(1, 1, shape.channels * shape.per_channel);
  const std::int64_t count = chunks.blocks();
  auto* moments = static_cast<Moments*>(
      context.scratch(sizeof(Moments) + static_cast<std::size_t>(count) * sizeof(PartMoments)));
  auto* of_chunk = reinterpret_cast<PartMoments*>(moments + 1);
  with_pack_width(
      mask == nullptr ? chunks.size : shape.per_channel,
      [&](auto width) {
        launch(context, "weight_chunks", chunks.launch_shape(width), measure_chunks<width>, chunks,
               shape.per_channel, weights, mask, of_chunk);
      },
      Replicas<const float>(weights, 0));
  launch(context, "weight_moments", {.grid = {1}, .block = {kCombiningBlock}}, combine_chunks,
         count, static_cast<const PartMoments*>(of_chunk), moments);
  Moments result = {};
  context.copy_to_host(&result, moments, sizeof(result));
  return {.mean = result.mean, .deviation = std::sqrt(result.variance), .count = result.count};
}

std::int64_t zero_weights_outside(Context& context, const WeightShape& shape, double low,
                                  double high, const float* mask, float* weights) {
  if (shape.channels == 0 || shape.per_channel == 0) return 0;
  const ChannelChunks chunks(1, 1, shape.channels * shape.per_channel);
  auto* zeroed = context.scratch_of<unsigned long long>(1);
  context.fill_zero(zeroed, sizeof(*zeroed));
  with_pack_width(
      mask == nullptr ? chunks.size : shape.per_channel,
      [&](auto width) {
        launch(context, "zero_weights_outside", chunks.launch_shape(width), zero_far_weights<width>,
               chunks, shape.per_channel, low, high, mask, weights, zeroed);
      },
      Replicas<float>(weights, 0));
  unsigned long long result = 0;
  context.copy_to_host(&result, zeroed, sizeof(result));
  return static_cast<std::int64_t>(result);
}

}  // namespace redoubt::kernels::cuda
