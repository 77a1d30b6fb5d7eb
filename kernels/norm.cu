// Batch normalisation on CUDA: a block takes one channel of one replica. It sums in one pass and
// keeps as much of what it read in shared memory as fits, so most or all of the channel comes from
// memory once. Threads walk along memory in packs; images that are padding count for nothing.
#include "kernels/norm.h"

#include "kernels/norm_parts.h"
#include "kernels/wide_store.h"

namespace redoubt::kernels::cuda {

namespace {

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

/// Mean and variance of a channel, and what training keeps of them.
struct Moments {
  double count = 0;  ///< of values
  double mean = 0;
  double variance = 0;
  float centre = 0;
  float inverse = 0;

  /// From Σ (x - anchor) and Σ (x - anchor)². The anchor is one of the values, so the variance is
  /// at least (mean - anchor)² / count: the subtraction loses at most a factor `count` of double's
  /// 2^-53, which leaves more than a float holds below 2^28 values.
  __device__ Moments(const Sums& sums, double anchor, double values, float epsilon)
      : count(values) {
    if (count > 0) {
      const double offset = sums.first / count;
      mean = anchor + offset;
      variance = sums.second / count - offset * offset;
      variance = variance < 0 ? 0 : variance;
    }
    centre = static_cast<float>(mean);
    inverse = static_cast<float>(1 / sqrt(variance + static_cast<double>(epsilon)));
  }

  __device__ void record(int r, int c, int channels, float momentum, const BatchNormRows& rows,
                         Replicas<float> saved) const {
    saved[r][c] = centre;
    saved[r][channels + c] = inverse;
    const auto share = static_cast<double>(momentum);
    if (count > 0) move_towards(rows.running_mean[r][c], share, mean);
    if (count > 1) {
      move_towards(rows.running_variance[r][c], share, variance * count / (count - 1));
    }
  }
};

template <int kWidth>
__device__ Pack<float, kWidth> normalized(Pack<float, kWidth> x, float centre, float scale,
                                          float shift) {
  for (int j = 0; j < kWidth; ++j) x.at[j] = (x.at[j] - centre) * scale + shift;
  return x;
}

/// 8 bytes a value; 4 more for values that shared memory does not keep, unless the L2 cache does.
template <int kWidth>
__global__ void __launch_bounds__(kMostThreads)
    normalize_by_batch(ActivationShape shape, BatchNormSettings settings, int kept,
                       const int* valid_images, Replicas<const float> input, BatchNormRows rows,
                       Replicas<float> saved, Replicas<float> output) {
  REDOUBT_DYNAMIC_SHARED(float, shared);
  __shared__ float centre;
  __shared__ float inverse;
  const OwnChannel own(shape);
  const OwnPacks<kWidth> packs(static_cast<int>(shape.channel_size()));
  const int valid = valid_images[own.replica];
  const RealImages images = {shape.batch, valid};
  const float gamma = rows.gamma[own.replica][own.channel];
  const float shift = rows.beta[own.replica][own.channel];
  const float* x = input[own.replica] + own.start;
  const auto anchor = static_cast<double>(x[0]);  // real if any image is
  Sums sums;
  const auto read = [&](int round) { return load<kWidth>(x + packs.at(round)); };
  const auto add = [&](int round, const Pack<float, kWidth>& values, unsigned real) {
    if (round < kept) store(shared + packs.at(round), values);
    for (int j = 0; j < kWidth; ++j) {
      if ((real >> j & 1) == 0) continue;
      const double d = static_cast<double>(values.at[j]) - anchor;
      sums.first += d;
      sums.second += d * d;
    }
  };
  if (images.all()) {
    packs.template ascending<4>(read, [&](int round, const Pack<float, kWidth>& values) {
      add(round, values, kAllReal<kWidth>);
    });
  } else {
    packs.template ascending<1>(read, [&](int round, const Pack<float, kWidth>& values) {
      add(round, values, images.of<kWidth>(packs.at(round)));
    });
  }
  sums = block_sums(sums);
  if (threadIdx.x == 0) {
    const Moments moments(sums, anchor, static_cast<double>(shape.positions) * valid,
                          settings.epsilon);
    centre = moments.centre;
    inverse = moments.inverse;
    moments.record(own.replica, own.channel, shape.channels, settings.momentum, rows, saved);
  }
  __syncthreads();
  const float middle = centre;
  const float scale = inverse * gamma;
  float* y = output[own.replica] + own.start;
  packs.template descending<4>(
      [&](int round) {
        const int at = packs.at(round);
        return round < kept ? load<kWidth>(shared + at) : load<kWidth>(x + at);
      },
      [&](int round, const Pack<float, kWidth>& values) {
        store_global(y + packs.at(round), normalized(values, middle, scale, shift));
      });
}

/// 8 bytes a value. A block takes a chunk of a channel.
template <int kWidth>
__global__ void normalize_by_running(ChannelChunks chunks, float epsilon,
                                     Replicas<const float> input, Replicas<const float> gamma,
                                     Replicas<const float> beta, Replicas<const float> mean,
                                     Replicas<const float> variance, Replicas<float> output) {
  const Chunk chunk(chunks);
  const int r = chunk.replica;
  const int c = chunk.channel;
  const auto inverse = static_cast<float>(
      1 / sqrt(static_cast<double>(variance[r][c]) + static_cast<double>(epsilon)));
  const float centre = mean[r][c];
  const float scale = inverse * gamma[r][c];
  const float shift = beta[r][c];
  const float* x = input[r] + chunk.start;
  float* y = output[r] + chunk.start;
  const OwnPacks<kWidth> packs(chunk.count);
  packs.template ascending<4>([&](int round) { return load<kWidth>(x + packs.at(round)); },
                              [&](int round, const Pack<float, kWidth>& values) {
                                store_global(y + packs.at(round),
                                             normalized(values, centre, scale, shift));
                              });
}

/// A pack of a layer's input and of the gradient that comes back.
template <int kWidth>
struct InputAndGradient {
  Pack<float, kWidth> x;
  Pack<float, kWidth> dy;
};

/// grad_input = scale · (dy - mean_dy - (x - mean) · slope).
struct WayBack {
  float mean;
  float scale;
  float mean_dy;
  float slope;

  template <int kWidth>
  __device__ Pack<float, kWidth> operator()(const InputAndGradient<kWidth>& from,
                                            unsigned real) const {
    Pack<float, kWidth> dx;
    for (int j = 0; j < kWidth; ++j) {
      const float gradient = scale * (from.dy.at[j] - mean_dy - (from.x.at[j] - mean) * slope);
      dx.at[j] = (real >> j & 1) != 0 ? gradient : 0;
    }
    return dx;
  }
};

/// 12 bytes a value (8 without grad_input); 8 more for values that shared memory does not keep,
/// unless the L2 cache does.
template <int kWidth>
__global__ void __launch_bounds__(kMostThreads)
    normalize_backward(ActivationShape shape, int kept, const int* valid_images,
                       Replicas<const float> input, Replicas<const float> gamma,
                       Replicas<const float> saved, Replicas<const float> grad_output,
                       Replicas<float> grad_gamma, Replicas<float> grad_beta,
                       Replicas<float> grad_input) {
  REDOUBT_DYNAMIC_SHARED(float, shared);
  __shared__ WayBack way_back;
  const OwnChannel own(shape);
  const int r = own.replica;
  const int c = own.channel;
  const OwnPacks<kWidth> packs(static_cast<int>(shape.channel_size()));
  const int valid = valid_images[r];
  const RealImages images = {shape.batch, valid};
  const float mean = saved[r][c];
  const float inverse = saved[r][shape.channels + c];
  const float scale = gamma[r][c] * inverse;
  const float* x = input[r] + own.start;
  const float* dy = grad_output[r] + own.start;
  float* shared_dy = shared + kept * static_cast<int>(blockDim.x) * kWidth;
  using Both = InputAndGradient<kWidth>;
  Sums sums;
  const auto read = [&](int round) {
    const int at = packs.at(round);
    return Both{load<kWidth>(x + at), load<kWidth>(dy + at)};
  };
  const auto add = [&](int round, const Both& values, unsigned real) {
    if (round < kept) {
      store(shared + packs.at(round), values.x);
      store(shared_dy + packs.at(round), values.dy);
    }
    for (int j = 0; j < kWidth; ++j) {
      if ((real >> j & 1) == 0) continue;
      const auto gradient = static_cast<double>(values.dy.at[j]);
      sums.first += gradient;
      sums.second += gradient * (static_cast<double>(values.x.at[j]) - static_cast<double>(mean));
    }
  };
  if (images.all()) {
    packs.template ascending<2>(
        read, [&](int round, const Both& values) { add(round, values, kAllReal<kWidth>); });
  } else {
    packs.template ascending<1>(read, [&](int round, const Both& values) {
      add(round, values, images.of<kWidth>(packs.at(round)));
    });
  }
  sums = block_sums(sums);
  if (threadIdx.x == 0) {
    const auto deviation = static_cast<double>(inverse);
    const double positions = static_cast<double>(shape.positions) * valid;
    const double count = positions > 1 ? positions : 1;
    way_back = {mean, scale, static_cast<float>(sums.first / count),
                static_cast<float>(sums.second * deviation * deviation / count)};
    grad_beta[r][c] = static_cast<float>(sums.first);
    grad_gamma[r][c] = static_cast<float>(sums.second * deviation);
  }
  if (!grad_input) return;
  __syncthreads();
  const WayBack back = way_back;
  float* dx = grad_input[r] + own.start;
  const auto read_again = [&](int round) {
    const int at = packs.at(round);
    return round < kept ? Both{load<kWidth>(shared + at), load<kWidth>(shared_dy + at)}
                        : read(round);
  };
  if (images.all()) {
    packs.template descending<2>(read_again, [&](int round, const Both& values) {
      store_global(dx + packs.at(round), back(values, kAllReal<kWidth>));
    });
  } else {
    packs.template descending<1>(read_again, [&](int round, const Both& values) {
      const int at = packs.at(round);
      store_global(dx + at, back(values, images.of<kWidth>(at)));
    });
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
  with_pack_width(
      shape.channel_size(),
      [&](auto width) {
        const ChannelLaunch cut(context, shape, width, 1);
        launch(context, "batch_norm_training", cut.shape, normalize_by_batch<width>, shape,
               settings, cut.kept, valid, input, rows, saved, output);
      },
      input, output);
}

void batch_norm_inference(Context& context, const ActivationShape& shape,
                          const BatchNormSettings& settings, Replicas<const float> input,
                          Replicas<const float> gamma, Replicas<const float> beta,
                          Replicas<const float> mean, Replicas<const float> variance,
                          Replicas<float> output) {
  const ChannelChunks chunks(shape);
  with_pack_width(
      shape.channel_size(),
      [&](auto width) {
        launch(context, "batch_norm_inference", chunks.launch_shape(width),
               normalize_by_running<width>, chunks, settings.epsilon, input, gamma, beta, mean,
               variance, output);
      },
      input, output);
}

void batch_norm_backward(Context& context, const ActivationShape& shape, const int* valid,
                         Replicas<const float> input, Replicas<const float> gamma,
                         Replicas<const float> saved, Replicas<const float> grad_output,
                         Replicas<float> grad_gamma, Replicas<float> grad_beta,
                         Replicas<float> grad_input) {
  with_pack_width(
      shape.channel_size(),
      [&](auto width) {
        // Without a gradient to give back, nothing is needed twice.
        ChannelLaunch cut(context, shape, width, 2);
        if (!grad_input) cut.shape.shared_bytes = static_cast<std::size_t>(cut.kept = 0);
        launch(context, "batch_norm_backward", cut.shape, normalize_backward<width>, shape,
               cut.kept, valid, input, gamma, saved, grad_output, grad_gamma, grad_beta,
               grad_input);
      },
      input, grad_output, grad_input);
}

}  // namespace redoubt::kernels::cuda
