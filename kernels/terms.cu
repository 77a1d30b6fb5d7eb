// Terms of a training step on CUDA: nothing of them needs the host, so they are part of the step's
// graph.
#include "kernels/terms.h"

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

__device__ bool resting(const std::uint8_t* active, int replica) {
  return active != nullptr && active[replica] == 0;
}

/// Which of a group's rows a thread has to do with.
struct AwakeRows {
  RowGroup own;
  const std::uint8_t* active;

  __device__ bool has(int r) const { return r < own.count && !resting(active, own.first + r); }

  /// Calls mix(row, pack of its values, pack of its gradients to change) for the columns from i on.
  /// All loads come before the first use.
  template <int kWidth, class Mix>
  __device__ void mix_gradients(std::int64_t i, Replicas<const float> values,
                                Replicas<float> gradients, const Mix& mix) const {
    Pack<float, kWidth> weights[kGroupRows];
    Pack<float, kWidth> mixed[kGroupRows];
#pragma unroll
    for (int r = 0; r < kGroupRows; ++r) {
      if (!has(r)) continue;
      weights[r] = load<kWidth>(values[own.first + r] + i);
      mixed[r] = load<kWidth>(gradients[own.first + r] + i);
    }
#pragma unroll
    for (int r = 0; r < kGroupRows; ++r) {
      if (!has(r)) continue;
      mix(own.first + r, weights[r], mixed[r]);
      store(gradients[own.first + r] + i, mixed[r]);
    }
  }
};

/// 12 bytes an element, and 4 a column for the anchor.
template <int kWidth>
__global__ void add_squared_distance(TermRows all, DistanceShare distance,
                                     Replicas<const float> values, Replicas<float> gradients) {
  const AwakeRows rows = {RowGroup(all.replicas), all.active};
  const std::int64_t i = rows.own.pack_index(kWidth);
  if (i >= all.size) return;
  const float rho = distance.rho;
  const Pack<float, kWidth> from = load<kWidth>(distance.anchor + i);
  rows.mix_gradients<kWidth>(
      i, values, gradients,
      [&](int, const Pack<float, kWidth>& weights, Pack<float, kWidth>& mixed) {
        for (int j = 0; j < kWidth; ++j) {
          mixed.at[j] = (1 - rho) * mixed.at[j] + 2 * rho * (weights.at[j] - from.at[j]);
        }
      });
}

/// What a cosine needs of δ = w - anchor and d.
struct CosineSums {
  double delta_delta;
  double delta_direction;
  double direction_direction;
};

/// What the metric's gradient is of: back · δ - along · d.
struct CosineFactors {
  double along;
  double back;
};

/// Scratch for sums over rows, chunk by chunk, and for what is made of each row's: a Factor.
template <class Factor>
struct RowSums {
  RowChunks chunks;
  CosineSums* chunk_sums;  ///< [R][chunks]
  Factor* factors;         ///< [R]

  RowSums(Context& context, const TermRows& rows) : chunks(rows.replicas, rows.size) {
    const auto replicas = static_cast<std::size_t>(rows.replicas);
    const std::size_t cells = replicas * static_cast<std::size_t>(chunks.chunks);
    chunk_sums = static_cast<CosineSums*>(
        context.scratch(cells * sizeof(CosineSums) + replicas * sizeof(Factor)));
    factors = reinterpret_cast<Factor*>(chunk_sums + cells);
  }
  LaunchShape block_a_row() const {
    return {.grid = {grid_extent(chunks.rows, kMostBlocks)}, .block = {threads_for(chunks.chunks)}};
  }
};

/// The columns of a pack that a cosine looks at.
template <int kWidth>
struct CosinePack {
  Pack<float, kWidth> anchor;
  Pack<float, kWidth> direction;
  Pack<float, kWidth> counted;

  __device__ CosinePack(const DistanceShare& distance, std::int64_t i)
      : anchor(load<kWidth>(distance.anchor + i)), direction(load<kWidth>(distance.direction + i)) {
    for (int j = 0; j < kWidth; ++j) counted.at[j] = 1;
    if (distance.counted != nullptr) counted = load<kWidth>(distance.counted + i);
  }
};

/// 4 bytes an element, and 8 to 12 a column for what the replicas share. Of a resting replica the
/// sums mean nothing. chunk_sums [R][chunks].
template <int kWidth>
__global__ void sum_cosine_chunks(RowChunks chunks, DistanceShare distance,
                                  Replicas<const float> values, const std::uint8_t* active,
                                  CosineSums* chunk_sums) {
  const AwakeRows rows = {RowGroup(chunks.rows), active};
  double delta_delta[kGroupRows] = {};
  double delta_direction[kGroupRows] = {};
  double direction_direction = 0;
  chunks.for_packs<kWidth>(rows.own, [&](std::int64_t i) {
    const CosinePack<kWidth> shared(distance, i);
    Pack<float, kWidth> weights[kGroupRows];
#pragma unroll
    for (int r = 0; r < kGroupRows; ++r) {
      weights[r] = rows.has(r) ? load<kWidth>(values[rows.own.first + r] + i) : shared.anchor;
    }
    for (int j = 0; j < kWidth; ++j) {
      if (shared.counted.at[j] == 0) continue;
      const auto from = static_cast<double>(shared.anchor.at[j]);
      const auto along = static_cast<double>(shared.direction.at[j]);
      direction_direction += along * along;
#pragma unroll
      for (int r = 0; r < kGroupRows; ++r) {
        const double delta = static_cast<double>(weights[r].at[j]) - from;
        delta_delta[r] += delta * delta;
        delta_direction[r] += delta * along;
      }
    }
  });
  CosineSums sums = {};
  sums.direction_direction = block_sum(direction_direction);
#pragma unroll
  for (int r = 0; r < kGroupRows; ++r) {
    if (r >= rows.own.count) break;
    sums.delta_delta = block_sum(delta_delta[r]);
    sums.delta_direction = block_sum(delta_direction[r]);
    if (threadIdx.x == 0) {
      chunk_sums[(rows.own.first + r) * chunks.chunks + rows.own.place] = sums;
    }
  }
}

/// A block adds up the chunks of one replica. Roots and quotients are taken here, once a replica.
__global__ void add_cosine_chunks(int chunks, float rho, const CosineSums* chunk_sums,
                                  CosineFactors* factors) {
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
  if (threadIdx.x != 0) return;
  const double lengths = sqrt(sum.delta_delta * sum.direction_direction);
  const auto share = static_cast<double>(rho);
  factors[blockIdx.x] = {
      .along = lengths > 0 ? share / lengths : 0,
      .back = lengths > 0 ? share * sum.delta_direction / (lengths * sum.delta_delta) : 0};
}

/// 12 bytes an element, and 8 to 12 a column for what the replicas share.
template <int kWidth>
__global__ void add_cosine_distance(TermRows all, DistanceShare distance,
                                    const CosineFactors* all_factors, Replicas<const float> values,
                                    Replicas<float> gradients) {
  const AwakeRows rows = {RowGroup(all.replicas), all.active};
  const std::int64_t i = rows.own.pack_index(kWidth);
  if (i >= all.size) return;
  const float rho = distance.rho;
  const CosinePack<kWidth> shared(distance, i);
  rows.mix_gradients<kWidth>(
      i, values, gradients,
      [&](int row, const Pack<float, kWidth>& weights, Pack<float, kWidth>& mixed) {
        const CosineFactors factors = all_factors[row];
        for (int j = 0; j < kWidth; ++j) {
          const double delta =
              static_cast<double>(weights.at[j]) - static_cast<double>(shared.anchor.at[j]);
          const double along = factors.along * static_cast<double>(shared.direction.at[j]);
          const double metric = shared.counted.at[j] != 0 ? factors.back * delta - along : 0;
          mixed.at[j] = static_cast<float>(static_cast<double>((1 - rho) * mixed.at[j]) + metric);
        }
      });
}

/// 8 bytes an element, and 4 a column for the mask.
template <int kWidth>
__global__ void multiply_gradients(TermRows all, const float* mask, Replicas<float> gradients) {
  const AwakeRows rows = {RowGroup(all.replicas), all.active};
  const std::int64_t i = rows.own.pack_index(kWidth);
  if (i >= all.size) return;
  const Pack<float, kWidth> factors = load<kWidth>(mask + i);
  for (int r = 0; r < kGroupRows; ++r) {
    if (!rows.has(r)) continue;
    float* own = gradients[rows.own.first + r] + i;
    Pack<float, kWidth> pack = load<kWidth>(own);
    for (int j = 0; j < kWidth; ++j) pack.at[j] *= factors.at[j];
    store(own, pack);
  }
}

/// A block adds up the chunks of one replica: how far its row is drawn towards the centre.
__global__ void add_ball_chunks(int chunks, Ball ball, const std::int32_t* step,
                                const CosineSums* chunk_sums, double* factors) {
  double squared = 0;
  for (int i = static_cast<int>(threadIdx.x); i < chunks; i += static_cast<int>(blockDim.x)) {
    squared += chunk_sums[static_cast<std::int64_t>(blockIdx.x) * chunks + i].delta_delta;
  }
  squared = block_sum(squared);
  if (threadIdx.x != 0) return;
  const double length = sqrt(squared);
  const bool due = (*step + 1) % ball.every == 0;
  factors[blockIdx.x] = due && length > ball.radius ? ball.radius / length : 1;
}

/// 8 bytes an element of a row that is drawn, and 4 a column for the centre.
template <int kWidth>
__global__ void draw_to_centre(TermRows all, Ball ball, const double* factors,
                               Replicas<float> values) {
  const AwakeRows rows = {RowGroup(all.replicas), all.active};
  const std::int64_t i = rows.own.pack_index(kWidth);
  if (i >= all.size) return;
  const CosinePack<kWidth> shared(
      {.anchor = ball.centre, .direction = ball.centre, .counted = ball.counted}, i);
  for (int r = 0; r < kGroupRows; ++r) {
    if (!rows.has(r) || factors[rows.own.first + r] == 1) continue;
    const double factor = factors[rows.own.first + r];
    float* own = values[rows.own.first + r] + i;
    Pack<float, kWidth> pack = load<kWidth>(own);
    for (int j = 0; j < kWidth; ++j) {
      if (shared.counted.at[j] == 0) continue;
      const auto at = static_cast<double>(shared.anchor.at[j]);
      pack.at[j] = static_cast<float>(at + factor * (static_cast<double>(pack.at[j]) - at));
    }
    store(own, pack);
  }
}

constexpr int kClipBlock = 1024;
constexpr int kHeld = 32;  ///< weights in each thread's registers

/// A block takes the weights of one replica: mean, deviation, clamp. 4 bytes a weight read, and 4
/// written where one is clamped; what goes beyond 32,768 weights is read three times.
template <int kWidth>
__global__ void __launch_bounds__(kClipBlock, 1)
    clip_own_weights(WeightShape shape, double delta, Replicas<const float> masks,
                     Replicas<float> weights, const std::uint8_t* active) {
  constexpr int kPacks = kHeld / kWidth;
  __shared__ double shared[2];
  const int r = static_cast<int>(blockIdx.x);
  if (resting(active, r)) return;
  const float* mask = masks ? masks[r] : nullptr;
  float* w = weights[r];
  const std::int64_t size = shape.channels * shape.per_channel;
  const std::int64_t step = static_cast<std::int64_t>(blockDim.x) * kWidth;
  const std::int64_t own = static_cast<std::int64_t>(threadIdx.x) * kWidth;
  const auto counts = [&](std::int64_t i) {
    return mask == nullptr || mask[i / shape.per_channel] != 0;
  };
  Pack<float, kWidth> held[kPacks];
  unsigned counted = 0;  // one bit a pack
#pragma unroll
  for (int n = 0; n < kPacks; ++n) {
    const std::int64_t i = own + n * step;
    if (i >= size) continue;
    held[n] = load<kWidth>(w + i);
    if (counts(i)) counted |= 1U << n;
  }
  const auto over_counted = [&](const auto& body) {
#pragma unroll
    for (int n = 0; n < kPacks; ++n) {
      if ((counted >> n & 1) != 0) body(held[n]);
    }
    for (std::int64_t i = own + kPacks * step; i < size; i += step) {
      if (counts(i)) body(load<kWidth>(w + i));
    }
  };
  double sum = 0;
  double count = 0;
  over_counted([&](const Pack<float, kWidth>& pack) {
    for (int j = 0; j < kWidth; ++j) sum += static_cast<double>(pack.at[j]);
    count += kWidth;
  });
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
  over_counted([&](const Pack<float, kWidth>& pack) {
    for (int j = 0; j < kWidth; ++j) {
      const double distance = static_cast<double>(pack.at[j]) - mean;
      squares += distance * distance;
    }
  });
  squares = block_sum(squares);
  __syncthreads();
  if (threadIdx.x == 0) shared[0] = all > 0 ? sqrt(squares / all) : 0;
  __syncthreads();
  const auto low = static_cast<float>(mean - delta * shared[0]);
  const auto high = static_cast<float>(mean + delta * shared[0]);
  const auto clamp = [&](Pack<float, kWidth> pack, std::int64_t i) {
    bool changed = false;
    for (int j = 0; j < kWidth; ++j) {
      const float weight = pack.at[j];
      pack.at[j] = weight < low ? low : (weight > high ? high : weight);
      changed = changed || weight < low || weight > high;
    }
    if (changed) store(w + i, pack);
  };
#pragma unroll
  for (int n = 0; n < kPacks; ++n) {
    if (own + n * step < size) clamp(held[n], own + n * step);
  }
  for (std::int64_t i = own + kPacks * step; i < size; i += step) clamp(load<kWidth>(w + i), i);
}

}  // namespace

void mix_squared_distance(Context& context, const TermRows& rows, const DistanceShare& distance,
                          Replicas<const float> values, Replicas<float> gradients) {
  with_pack_width(
      rows.size,
      [&](auto width) {
        launch(context, "mix_squared_distance", over_row_groups(rows.replicas, rows.size, width),
               add_squared_distance<width>, rows, distance, values, gradients);
      },
      Replicas<const float>(distance.anchor, 0), values, gradients);
}

void mix_cosine_distance(Context& context, const TermRows& rows, const DistanceShare& distance,
                         Replicas<const float> values, Replicas<float> gradients) {
  const RowSums<CosineFactors> sums(context, rows);
  const auto over_packs = [&](const auto& body) {
    with_pack_width(rows.size, body, Replicas<const float>(distance.anchor, 0),
                    Replicas<const float>(distance.direction, 0),
                    Replicas<const float>(distance.counted, 0), values, gradients);
  };
  over_packs([&](auto width) {
    launch(context, "cosine_sums", sums.chunks.launch_shape(width), sum_cosine_chunks<width>,
           sums.chunks, distance, values, rows.active, sums.chunk_sums);
  });
  launch(context, "add_cosine_chunks", sums.block_a_row(), add_cosine_chunks, sums.chunks.chunks,
         distance.rho, static_cast<const CosineSums*>(sums.chunk_sums), sums.factors);
  over_packs([&](auto width) {
    launch(context, "mix_cosine_distance", over_row_groups(rows.replicas, rows.size, width),
           add_cosine_distance<width>, rows, distance,
           static_cast<const CosineFactors*>(sums.factors), values, gradients);
  });
}

void mask_gradients(Context& context, const TermRows& rows, const float* mask,
                    Replicas<float> gradients) {
  with_pack_width(
      rows.size,
      [&](auto width) {
        launch(context, "mask_gradients", over_row_groups(rows.replicas, rows.size, width),
               multiply_gradients<width>, rows, mask, gradients);
      },
      Replicas<const float>(mask, 0), gradients);
}

void project_onto_ball(Context& context, const TermRows& rows, const Ball& ball,
                       const std::int32_t* step, Replicas<float> values) {
  const RowSums<double> sums(context, rows);
  // Of a cosine's sums |δ|² is the first; its direction is any row.
  const DistanceShare from = {
      .anchor = ball.centre, .direction = ball.centre, .counted = ball.counted};
  const auto over_packs = [&](const auto& body) {
    with_pack_width(rows.size, body, Replicas<const float>(ball.centre, 0),
                    Replicas<const float>(ball.counted, 0), values);
  };
  over_packs([&](auto width) {
    launch(context, "ball_sums", sums.chunks.launch_shape(width), sum_cosine_chunks<width>,
           sums.chunks, from, Replicas<const float>(values), rows.active, sums.chunk_sums);
  });
  launch(context, "add_ball_chunks", sums.block_a_row(), add_ball_chunks, sums.chunks.chunks, ball,
         step, static_cast<const CosineSums*>(sums.chunk_sums), sums.factors);
  over_packs([&](auto width) {
    launch(context, "project_onto_ball", over_row_groups(rows.replicas, rows.size, width),
           draw_to_centre<width>, rows, ball, static_cast<const double*>(sums.factors), values);
  });
}

void clip_to_deviations(Context& context, const TermRows& rows, const WeightShape& shape,
                        double delta, Replicas<const float> masks, Replicas<float> weights) {
  const std::int64_t size = shape.channels * shape.per_channel;
  // Two 16-byte loads a thread where the layer is small: more threads would only be more to sum up.
  const std::int64_t threads =
      std::clamp<std::int64_t>(divide_up(divide_up(size, 8), kWarp) * kWarp, kWarp, kClipBlock);
  with_pack_width(
      masks ? shape.per_channel : size,
      [&](auto width) {
        launch(context, "clip_to_deviations",
               {.grid = {grid_extent(rows.replicas, kMostBlocks)},
                .block = {static_cast<unsigned>(threads)}},
               clip_own_weights<width>, shape, delta, masks, weights, rows.active);
      },
      weights);
}

}  // namespace redoubt::kernels::cuda
