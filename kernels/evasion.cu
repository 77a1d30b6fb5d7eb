// Evasion in a training step on CUDA: nothing of it needs the host, so it is part of the step's
// graph.
#include "kernels/evasion.h"

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

__device__ bool resting(const std::uint8_t* active, int replica) {
  return active != nullptr && active[replica] == 0;
}

/// 12 bytes an element; the anchor comes from the L2 cache.
__global__ void add_squared_distance(std::int64_t size, float rho, const float* anchor,
                                     Replicas<const float> values, Replicas<float> gradients,
                                     const std::uint8_t* active) {
  const std::int64_t i = pack_index(1);
  const int r = static_cast<int>(blockIdx.y);
  if (i >= size || resting(active, r)) return;
  float& gradient = gradients[r][i];
  gradient = (1 - rho) * gradient + 2 * rho * (values[r][i] - anchor[i]);
}

/// What a cosine needs of δ = w - anchor and d.
struct CosineSums {
  double delta_delta;
  double delta_direction;
  double direction_direction;
};

/// A block sums one chunk of one replica. 4 bytes an element. chunk_sums [R][chunks].
__global__ void sum_cosine_chunks(ChannelChunks chunks, const float* anchor, const float* direction,
                                  const float* counted, Replicas<const float> values,
                                  CosineSums* chunk_sums) {
  const Chunk chunk(chunks);
  const float* from = values[chunk.replica];
  CosineSums sums = {};
  for (int i = static_cast<int>(threadIdx.x); i < chunk.count; i += static_cast<int>(blockDim.x)) {
    const std::int64_t at = chunk.first + i;
    if (counted != nullptr && counted[at] == 0) continue;
    const double delta = static_cast<double>(from[at]) - static_cast<double>(anchor[at]);
    const auto along = static_cast<double>(direction[at]);
    sums.delta_delta += delta * delta;
    sums.delta_direction += delta * along;
    sums.direction_direction += along * along;
  }
  sums.delta_delta = block_sum(sums.delta_delta);
  sums.delta_direction = block_sum(sums.delta_direction);
  sums.direction_direction = block_sum(sums.direction_direction);
  if (threadIdx.x == 0) chunk_sums[blockIdx.x] = sums;
}

/// A block adds up the chunks of one replica.
__global__ void add_cosine_chunks(int chunks, const CosineSums* chunk_sums, CosineSums* sums) {
  CosineSums sum = {};
  for (int i = static_cast<int>(threadIdx.x); i < chunks; i += static_cast<int>(blockDim.x)) {
    const CosineSums& part = chunk_sums[static_cast<std::int64_t>(blockIdx.x) * chunks + i];
    sum.delta_delta += part.delta_delta;
    sum.delta_direction += part.delta_direction;
    sum.direction_direction += part.direction_direction;
  }
  sum.delta_delta = block_sum(sum.delta_delta);
  sum.delta_direction = block_sum(sum.delta_direction);
  sum.direction_direction = block_sum(sum.direction_direction);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// 12 bytes an element.
__global__ void add_cosine_distance(std::int64_t size, float rho, const float* anchor,
                                    const float* direction, const float* counted,
                                    const CosineSums* all_sums, Replicas<const float> values,
                                    Replicas<float> gradients, const std::uint8_t* active) {
  const std::int64_t i = pack_index(1);
  const int r = static_cast<int>(blockIdx.y);
  if (i >= size || resting(active, r)) return;
  const CosineSums sums = all_sums[r];
  const double lengths = sqrt(sums.delta_delta * sums.direction_direction);
  const double along = lengths > 0 ? static_cast<double>(rho) / lengths : 0;
  const double back =
      lengths > 0 ? static_cast<double>(rho) * sums.delta_direction / (lengths * sums.delta_delta)
                  : 0;
  const double delta = static_cast<double>(values[r][i]) - static_cast<double>(anchor[i]);
  const bool counts = counted == nullptr || counted[i] != 0;
  const double metric = counts ? back * delta - along * static_cast<double>(direction[i]) : 0;
  float& gradient = gradients[r][i];
  gradient = static_cast<float>(static_cast<double>((1 - rho) * gradient) + metric);
}

/// A block takes the weights of one replica: mean, deviation, clamp. They stay in the L2 cache.
__global__ void clip_own_weights(WeightShape shape, double delta, Replicas<const float> masks,
                                 Replicas<float> weights, const std::uint8_t* active) {
  __shared__ double shared[2];
  const int r = static_cast<int>(blockIdx.x);
  if (resting(active, r)) return;
  const float* mask = masks ? masks[r] : nullptr;
  float* w = weights[r];
  const std::int64_t size = shape.channels * shape.per_channel;
  const auto counts = [&](std::int64_t i) {
    return mask == nullptr || mask[i / shape.per_channel] != 0;
  };
  double sum = 0;
  double count = 0;
  for (std::int64_t i = threadIdx.x; i < size; i += blockDim.x) {
    if (!counts(i)) continue;
    sum += static_cast<double>(w[i]);
    count += 1;
  }
  sum = block_sum(sum);
  count = block_sum(count);
  if (threadIdx.x == 0) {
    shared[0] = count > 0 ? sum / count : 0;
    shared[1] = count;
  }
  __syncthreads();
  const double mean = shared[0];
  const double all = shared[1];
  double squares = 0;
  for (std::int64_t i = threadIdx.x; i < size; i += blockDim.x) {
    if (!counts(i)) continue;
    const double distance = static_cast<double>(w[i]) - mean;
    squares += distance * distance;
  }
  squares = block_sum(squares);
  __syncthreads();
  if (threadIdx.x == 0) shared[0] = all > 0 ? sqrt(squares / all) : 0;
  __syncthreads();
  const auto low = static_cast<float>(mean - delta * shared[0]);
  const auto high = static_cast<float>(mean + delta * shared[0]);
  for (std::int64_t i = threadIdx.x; i < size; i += blockDim.x) {
    w[i] = w[i] < low ? low : (w[i] > high ? high : w[i]);
  }
}

}  // namespace

void mix_squared_distance(Context& context, int replicas, std::int64_t size, float rho,
                          const float* anchor, Replicas<const float> values,
                          Replicas<float> gradients, const std::uint8_t* active) {
  launch(context, "mix_squared_distance", over_replicas(replicas, size, 1), add_squared_distance,
         size, rho, anchor, values, gradients, active);
}

void mix_cosine_distance(Context& context, int replicas, std::int64_t size, float rho,
                         const float* anchor, const float* direction, const float* counted,
                         Replicas<const float> values, Replicas<float> gradients,
                         const std::uint8_t* active) {
  const ChannelChunks chunks(replicas, 1, size);
  const auto rows = static_cast<std::size_t>(replicas);
  auto* sums = context.scratch_of<CosineSums>(rows * (1 + static_cast<std::size_t>(chunks.chunks)));
  CosineSums* chunk_sums = sums + rows;
  launch(context, "cosine_sums", chunks.launch_shape(1), sum_cosine_chunks, chunks, anchor,
         direction, counted, values, chunk_sums);
  launch(context, "add_cosine_chunks",
         {.grid = {grid_extent(replicas, kMostBlocks)}, .block = {threads_for(chunks.chunks)}},
         add_cosine_chunks, chunks.chunks, static_cast<const CosineSums*>(chunk_sums), sums);
  launch(context, "mix_cosine_distance", over_replicas(replicas, size, 1), add_cosine_distance,
         size, rho, anchor, direction, counted, static_cast<const CosineSums*>(sums), values,
         gradients, active);
}

void clip_to_deviations(Context& context, int replicas, const WeightShape& shape, double delta,
                        Replicas<const float> masks, Replicas<float> weights,
                        const std::uint8_t* active) {
  launch(context, "clip_to_deviations",
         {.grid = {grid_extent(replicas, kMostBlocks)}, .block = {kBlock}}, clip_own_weights, shape,
         delta, masks, weights, active);
}

}  // namespace redoubt::kernels::cuda
