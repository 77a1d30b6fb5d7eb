// Small parts that the CUDA kernels share: wide loads, the cutting of channels into blocks, and
// sums over a block. Included by .cu files only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/activation.h"
#include "kernels/launch.h"
#include "kernels/view.h"

namespace redoubt::kernels::cuda {

constexpr unsigned kAllLanes = 0xffffffffU;
constexpr int kBlock = 256;  ///< threads of a block that has no reason to be another size
constexpr std::int64_t kMostBlocks = 0x7fffffff;  ///< in x; 65535 in y and z

/// Threads for `items` items: whole warps, at most kBlock.
inline unsigned threads_for(std::int64_t items) {
  return static_cast<unsigned>(
      std::clamp<std::int64_t>(divide_up(items, kWarp) * kWarp, kWarp, kBlock));
}

// ---- wide loads ---------------------------------------------------------------------------------

/// `kWidth` values that travel in one access: 16 bytes for 4 floats, the widest a thread has.
template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T at[kWidth];
};

template <int kWidth, class T>
__device__ inline Pack<std::remove_const_t<T>, kWidth> load(T* from) {
  return *reinterpret_cast<const Pack<std::remove_const_t<T>, kWidth>*>(from);
}

template <class T, int kWidth>
__device__ inline void store(T* to, const Pack<T, kWidth>& values) {
  *reinterpret_cast<Pack<T, kWidth>*>(to) = values;
}

template <class T>
bool starts_on_packs(int width, const Replicas<T>& view) {
  const std::uintptr_t bytes = static_cast<std::uintptr_t>(width) * sizeof(T);
  return reinterpret_cast<std::uintptr_t>(view.data) % bytes == 0 && view.pitch % width == 0;
}

/// Calls body with an integral constant: the widest of 4, 2 and 1 such that runs of `run` elements
/// can be walked through in packs of that many in every view.
template <class Body, class... Views>
void with_pack_width(std::int64_t run, const Body& body, const Views&... views) {
  const auto fits = [&](int width) {
    return run % width == 0 && (starts_on_packs(width, views) && ...);
  };
  if (fits(4)) return body(std::integral_constant<int, 4>());
  if (fits(2)) return body(std::integral_constant<int, 2>());
  body(std::integral_constant<int, 1>());
}

// ---- cutting work into blocks -------------------------------------------------------------------

/// Element-wise work on `replicas` runs of `size` elements: blockIdx.y is the replica, and each
/// thread takes the pack at pack_index().
inline LaunchShape over_replicas(int replicas, std::int64_t size, int width) {
  const std::int64_t packs = divide_up(size, width);
  const unsigned threads = threads_for(packs);
  return {.grid = {grid_extent(divide_up(packs, threads), kMostBlocks), grid_extent(replicas)},
          .block = {threads}};
}

/// The first element of the thread's pack.
__device__ inline std::int64_t pack_index(int width) {
  return (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * width;
}

/// Rows that are all taken together with one more: a thread or block does the same columns of so
/// many of them, and its neighbours those of the next rows. So the shared row comes from memory
/// once. Row by row it would come as often as there are rows: it is as long as the L2 cache is
/// wide.
constexpr int kGroupRows = 4;

/// Element-wise work on such rows: blockIdx.x = block of columns · groups + group of rows.
inline LaunchShape over_row_groups(int rows, std::int64_t size, int width) {
  const LaunchShape one_row = over_replicas(1, size, width);
  return {.grid = {grid_extent(one_row.grid.x * divide_up(rows, kGroupRows), kMostBlocks)},
          .block = one_row.block};
}

/// What blockIdx.x says of a block of them.
struct RowGroup {
  int first;           ///< row
  int count;           ///< rows
  std::int64_t place;  ///< among those that do the same rows

  __device__ explicit RowGroup(int rows) {
    const auto groups = static_cast<unsigned>((rows + kGroupRows - 1) / kGroupRows);
    first = static_cast<int>(blockIdx.x % groups) * kGroupRows;
    count = rows - first < kGroupRows ? rows - first : kGroupRows;
    place = blockIdx.x / groups;
  }
  /// The first element of the calling thread's pack.
  __device__ std::int64_t pack_index(int width) const {
    return (place * blockDim.x + threadIdx.x) * width;
  }
};

/// Channels [R][C][size] cut into chunks, one a block: blockIdx.x = (replica · C + channel) ·
/// chunks + chunk. A chunk depends on the shape only, and so does every sum over it.
struct ChannelChunks {
  static constexpr int kChunk = 4096;  ///< four 16-byte loads in flight for each of 256 threads

  int replicas;
  int channels;
  std::int64_t size;
  int chunks;  ///< of a channel

  ChannelChunks(int replica_count, int channel_count, std::int64_t channel_size)
      : replicas(replica_count),
        channels(channel_count),
        size(channel_size),
        chunks(static_cast<int>(divide_up(channel_size, kChunk))) {}
  explicit ChannelChunks(const ActivationShape& shape)
      : ChannelChunks(shape.replicas, shape.channels, shape.channel_size()) {}

  std::int64_t blocks() const { return std::int64_t{replicas} * channels * chunks; }
  LaunchShape launch_shape(int width) const {
    return {.grid = {grid_extent(blocks(), kMostBlocks)},
            .block = {threads_for(divide_up(std::min<std::int64_t>(size, kChunk), width))}};
  }
};

/// The chunk of the calling block.
struct Chunk {
  int replica;
  int channel;
  std::int64_t first;  ///< of the chunk, in the channel
  std::int64_t start;  ///< of the chunk, in the replica
  int count;           ///< elements

  __device__ explicit Chunk(const ChannelChunks& all)
      : replica(static_cast<int>(blockIdx.x / all.chunks / all.channels)),
        channel(static_cast<int>(blockIdx.x / all.chunks % all.channels)),
        first(static_cast<std::int64_t>(blockIdx.x % all.chunks) * ChannelChunks::kChunk),
        start(channel * all.size + first),
        count(static_cast<int>(all.size - first < ChannelChunks::kChunk ? all.size - first
                                                                        : ChannelChunks::kChunk)) {}
};

/// Sums over whole rows [rows][size] that are taken together with one more: blockIdx.x = chunk ·
/// groups + group of rows. The sums depend on the shape only.
struct RowChunks {
  static constexpr int kChunk = ChannelChunks::kChunk;

  int rows;
  int chunks;  ///< of a row
  std::int64_t size;

  RowChunks(int row_count, std::int64_t row_size)
      : rows(row_count), chunks(static_cast<int>(divide_up(row_size, kChunk))), size(row_size) {}

  LaunchShape launch_shape(int width) const {
    const std::int64_t blocks = chunks * divide_up(rows, kGroupRows);
    return {.grid = {grid_extent(blocks, kMostBlocks)},
            .block = {threads_for(divide_up(std::min<std::int64_t>(size, kChunk), width))}};
  }
  /// Calls body(first column of a pack) for the calling thread's packs.
  template <int kWidth, class Body>
  __device__ void for_packs(const RowGroup& own, const Body& body) const {
    const std::int64_t first = own.place * kChunk;
    const std::int64_t end = first + kChunk < size ? first + kChunk : size;
#pragma unroll 2
    for (std::int64_t i = first + static_cast<int>(threadIdx.x) * kWidth; i < end;
         i += static_cast<int>(blockDim.x) * kWidth) {
      body(i);
    }
  }
};

// ---- recording ----------------------------------------------------------------------------------

/// The record of a pass whose blocks each see one part of a channel: every block leaves its sum in
/// part_sums() [R·C][parts], and add_up() adds them to the record in ascending order, so that the
/// bits do not depend on which block came first. Takes the context's scratch. Does nothing where
/// nothing is recorded.
class ChannelRecord {
 public:
  ChannelRecord(Context& context, int replicas, int channels, int parts,
                const ChannelEffects& effects);
  double* part_sums() const { return part_sums_; }
  void add_up();

 private:
  Context& context_;
  int replicas_;
  int channels_;
  int parts_;
  Replicas<double> record_ = {};
  double* part_sums_ = nullptr;
};

// ---- sums over a block --------------------------------------------------------------------------

/// The sum over the threads of a block of whole warps, for thread 0; the order of additions depends
/// on the block's size only. Every thread of the block must come here.
template <class T>
__device__ T block_sum(T value) {
  __shared__ T of_warp[kWarp];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_down_sync(kAllLanes, value, step);
  }
  if (blockDim.x == kWarp) return value;
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  if (warp == 0) {
    value = lane < static_cast<int>(blockDim.x) / kWarp ? of_warp[lane] : T{};
    for (int step = kWarp / 2; step > 0; step /= 2) {
      value += __shfl_down_sync(kAllLanes, value, step);
    }
  }
  __syncthreads();  // of_warp is free for the next sum
  return value;
}

}  // namespace redoubt::kernels::cuda
