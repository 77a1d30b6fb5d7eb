// How batch normalisation on CUDA walks through a channel: a block's channel, its threads' packs,
// which of them count, and what of it stays in shared memory. Included by norm.cu only.
#pragma once

#include <limits>

#include "base/check.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

constexpr int kMostThreads = 1024;  ///< of a block whose channel is large; leaves each 64 registers

/// The channel of the calling block.
struct OwnChannel {
  int replica;
  int channel;
  std::int64_t start;  ///< of the channel in its replica

  __device__ explicit OwnChannel(const ActivationShape& shape)
      : replica(static_cast<int>(blockIdx.x) / shape.channels),
        channel(static_cast<int>(blockIdx.x) % shape.channels),
        start(channel * shape.channel_size()) {}
};

/// The packs of a block's values that the calling thread takes, one a round.
template <int kWidth>
struct OwnPacks {
  int rounds;

  __device__ explicit OwnPacks(int values) {
    const int left = values / kWidth - static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    rounds = left > 0 ? (left + threads - 1) / threads : 0;
  }
  /// Where a round's pack starts.
  __device__ int at(int round) const {
    return (round * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * kWidth;
  }

  /// use(round, read(round)) for every round, kAhead of which are read before the first is used.
  template <int kAhead, class Read, class Use>
  __device__ void ascending(const Read& read, const Use& use) const {
#pragma unroll 1
    for (int first = 0; first < rounds; first += kAhead) group<kAhead>(first, read, use);
  }
  /// The same from the last group to the first: what was read last is still in a cache.
  template <int kAhead, class Read, class Use>
  __device__ void descending(const Read& read, const Use& use) const {
#pragma unroll 1
    for (int first = (rounds - 1) / kAhead * kAhead; first >= 0; first -= kAhead) {
      group<kAhead>(first, read, use);
    }
  }

 private:
  template <int kAhead, class Read, class Use>
  __device__ void group(int first, const Read& read, const Use& use) const {
    decltype(read(0)) packs[kAhead] = {};  // the host compiler wants a value
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      if (first + i < rounds) packs[i] = read(first + i);
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      if (first + i < rounds) use(first + i, packs[i]);
    }
  }
};

/// Which values of a pack are of real images. Full batches, the usual case, need not ask.
struct RealImages {
  int batch;
  int valid;

  __device__ bool all() const { return valid >= batch; }
  /// Bit j is set if value j of the pack that starts at `at` counts.
  template <int kWidth>
  __device__ unsigned of(int at) const {
    int image = at % batch;
    unsigned bits = 0;
    for (int j = 0; j < kWidth; ++j) {
      bits |= (image < valid ? 1U : 0U) << j;
      image = image + 1 == batch ? 0 : image + 1;
    }
    return bits;
  }
};

/// The bits of a pack all of whose values count.
template <int kWidth>
constexpr unsigned kAllReal = (1U << kWidth) - 1;

struct Sums {
  double first = 0;
  double second = 0;
};

/// Both sums over the threads of the block, for thread 0, with one barrier. The order of additions
/// depends on the block's size only. Once a kernel.
__device__ inline Sums block_sums(Sums own) {
  __shared__ Sums of_warp[kWarp];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const auto over_lanes = [](Sums sums) {
    for (int step = kWarp / 2; step > 0; step /= 2) {
      sums.first += __shfl_down_sync(kAllLanes, sums.first, step);
      sums.second += __shfl_down_sync(kAllLanes, sums.second, step);
    }
    return sums;
  };
  own = over_lanes(own);
  if (blockDim.x == kWarp) return own;
  if (lane == 0) of_warp[warp] = own;
  __syncthreads();
  if (warp != 0) return own;
  return over_lanes(lane < static_cast<int>(blockDim.x) / kWarp ? of_warp[lane] : Sums());
}

/// How channels are cut into blocks and rounds, `arrays` of whose values are needed twice.
struct ChannelLaunch {
  LaunchShape shape;
  int kept;  ///< the rounds that stay in shared memory, as many as it takes

  ChannelLaunch(const Context& context, const ActivationShape& activation, int width, int arrays) {
    check(activation.channel_size() <= std::numeric_limits<int>::max(),
          "a channel of batch normalisation has less than 2^31 values");
    const std::int64_t packs = activation.channel_size() / width;
    const std::int64_t bytes =
        activation.channel_size() * arrays * static_cast<std::int64_t>(sizeof(float));
    // Where shared memory holds most of two channels, a multiprocessor takes two: one reads while
    // the other adds up. What it does not hold is read again, mostly from the L2 cache. By the
    // shape alone, since the order of additions hangs on the threads.
    const bool two = bytes <= 160 * 1024;
    const std::int64_t most = two ? kMostThreads / 2 : kMostThreads;
    const std::int64_t threads =
        std::clamp<std::int64_t>(divide_up(packs, 4 * kWarp) * kWarp, kWarp, most);
    const std::int64_t round = threads * width * arrays * static_cast<std::int64_t>(sizeof(float));
    // A block's static shared memory and CUDA's own share take less than 2 KiB.
    const auto limit = static_cast<std::int64_t>(most_shared_bytes(context.device())) - 1024;
    const std::int64_t room = two ? limit / 2 - 1024 : limit;
    kept = static_cast<int>(std::min(divide_up(packs, threads), room / round));
    const std::int64_t blocks = std::int64_t{activation.replicas} * activation.channels;
    shape = {.grid = {grid_extent(blocks, kMostBlocks)},
             .block = {static_cast<unsigned>(threads)},
             .shared_bytes = static_cast<std::size_t>(kept * round)};
  }
};

}  // namespace redoubt::kernels::cuda
