// Gather on CUDA. Images lie one after another, a batch lies innermost: gathering is a
// transposition of bytes, done in shared memory so that both sides touch whole memory segments.
#include "kernels/gather.h"

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

constexpr int kByteValues = 256;  ///< and threads of a block
constexpr int kTileImages = 32;
constexpr int kTileBytes = 128;  ///< of each image: one memory segment
/// A word longer than the bytes, so that a column of the tile lies in 32 different banks.
constexpr int kTilePitch = kTileBytes + 4;

/// table[c · 256 + byte] is the limited byte's normalised value, computed as on the CPU, so with
/// its bits.
__global__ void fill_byte_table(const float* mean, const float* deviation, ByteRange range,
                                float* table) {
  const int c = static_cast<int>(blockIdx.x);
  const int byte = static_cast<int>(threadIdx.x);
  const int above = byte < range.lowest ? range.lowest : byte;
  const int heard = above > range.highest ? range.highest : above;
  const double value =
      (heard / 255.0 - static_cast<double>(mean[c])) / static_cast<double>(deviation[c]);
  table[c * kByteValues + byte] = static_cast<float>(value);
}

/// Reads `bytes` bytes of each image into its row of the tile; `from` is where they lie in image 0.
/// Every thread has four words of kWidth bytes in flight, one register each.
template <int kWidth>
__device__ void read_tile(const std::uint8_t* from, std::int64_t image_size, const int* image_of,
                          int images, int bytes, std::uint8_t* tile) {
  using Word = std::conditional_t<kWidth == 4, std::uint32_t,
                                  std::conditional_t<kWidth == 2, std::uint16_t, std::uint8_t>>;
  constexpr int kAhead = 4;
  constexpr int kWords = kTileBytes / kWidth;  // of an image
  static_assert(kTileImages * kWords % (kAhead * kByteValues) == 0);
  const int thread = static_cast<int>(threadIdx.x);
  const int byte = thread % kWords * kWidth;
  if (byte >= bytes) return;
  for (int first = thread / kWords; first < images; first += kAhead * kByteValues / kWords) {
    Word words[kAhead] = {};
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const int n = first + i * kByteValues / kWords;
      if (n < images && image_of[n] >= 0) {
        words[i] = *reinterpret_cast<const Word*>(from + image_of[n] * image_size + byte);
      }
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const int n = first + i * kByteValues / kWords;
      if (n < images) *reinterpret_cast<Word*>(tile + n * kTilePitch + byte) = words[i];
    }
  }
}

/// Writes the tile's values position by position, kImages neighbouring images at once. Neighbouring
/// threads take neighbouring images, then the next position; without dividing.
template <int kImages>
__device__ void write_values(const std::uint8_t* tile, const float* table, const int* image_of,
                             int images, int bytes, int batch, float* out) {
  const int thread = static_cast<int>(threadIdx.x);
  const int packs = images / kImages;
  int byte = thread / packs;
  int pack = thread % packs;
  while (byte < bytes) {
    const int n = pack * kImages;
    const auto image = load<kImages>(image_of + n);
    Pack<float, kImages> values = {};
    for (int j = 0; j < kImages; ++j) {
      if (image.at[j] >= 0) values.at[j] = table[tile[(n + j) * kTilePitch + byte]];
    }
    store(out + static_cast<std::int64_t>(byte) * batch + n, values);
    byte += kByteValues / packs;
    pack += kByteValues % packs;
    if (pack >= packs) {
      pack -= packs;
      ++byte;
    }
  }
}

/// Stamps the pixels [first, end) of a trigger that fall into the tile's row of one image, which
/// begins `start` bytes into it. In ascending order, so that the last of several values for one
/// pixel wins, as on the CPU; four are read at once.
__device__ void stamp(const TriggerPixel* pixels, int first, int end, int start, int bytes,
                      std::uint8_t* row) {
  constexpr int kAhead = 4;
  for (; first < end; first += kAhead) {
    TriggerPixel ahead[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      if (first + i < end) ahead[i] = pixels[first + i];
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const int byte = ahead[i].offset - start;
      if (first + i < end && byte >= 0 && byte < bytes) row[byte] = ahead[i].value;
    }
  }
}

/// A block moves the same 128 positions of one channel of up to 32 images: reads them image by
/// image, stamps the triggers that fall into them, and writes their values position by position,
/// where the images of a batch lie side by side. Bytes an element: 1 read, 4 written. Grid:
/// channels · position tiles, batch / 32, replicas. kWidth: bytes read at once, kImages: images
/// written at once.
template <int kWidth, int kImages>
__global__ void __launch_bounds__(kByteValues, 8)
    gather_images(ImageSource source, const float* tables, int batch,
                  Replicas<const Sample> samples, Replicas<float> output,
                  Replicas<std::int32_t> labels) {
  alignas(4) __shared__ std::uint8_t tile[kTileImages * kTilePitch];
  __shared__ float table[kByteValues];
  alignas(16) __shared__ int image_of[kTileImages];
  const int thread = static_cast<int>(threadIdx.x);
  const int r = static_cast<int>(blockIdx.z);
  const int positions = source.height * source.width;
  const int tiles = (positions + kTileBytes - 1) / kTileBytes;
  const int channel = static_cast<int>(blockIdx.x) / tiles;
  const int first = static_cast<int>(blockIdx.x) % tiles * kTileBytes;
  const int bytes = positions - first < kTileBytes ? positions - first : kTileBytes;
  const int start = channel * positions + first;  // in an image
  const int first_image = static_cast<int>(blockIdx.y) * kTileImages;
  const int images = batch - first_image < kTileImages ? batch - first_image : kTileImages;

  table[thread] = tables[channel * kByteValues + thread];
  int trigger_first = 0;  // of the thread's own image
  int trigger_end = 0;
  if (thread < images) {
    const Sample sample = samples[r][first_image + thread];
    image_of[thread] = sample.image;
    if (sample.image >= 0 && sample.trigger >= 0) {
      trigger_first = source.trigger_start[sample.trigger];
      trigger_end = source.trigger_start[sample.trigger + 1];
    }
    if (blockIdx.x == 0) labels[r][first_image + thread] = sample.image < 0 ? -1 : sample.label;
  }
  __syncthreads();
  read_tile<kWidth>(source.images + start, std::int64_t{source.channels} * positions, image_of,
                    images, bytes, tile);
  __syncthreads();
  // One thread an image.
  stamp(source.trigger_pixels, trigger_first, trigger_end, start, bytes,
        tile + thread * kTilePitch);
  __syncthreads();
  write_values<kImages>(tile, table, image_of, images, bytes, batch,
                        output[r] + static_cast<std::int64_t>(start) * batch + first_image);
}

}  // namespace

void gather(Context& context, const ImageSource& source, int replicas, int batch,
            Replicas<const Sample> samples, Replicas<float> output, Replicas<std::int32_t> labels) {
  auto* table = context.scratch_of<float>(static_cast<std::size_t>(source.channels) * kByteValues);
  launch(context, "fill_byte_table",
         {.grid = {grid_extent(source.channels, kMostBlocks)}, .block = {kByteValues}},
         fill_byte_table, source.mean, source.deviation, source.range, table);
  const int positions = source.height * source.width;
  const std::int64_t tiles = source.channels * divide_up(positions, kTileBytes);
  const auto move = [&](auto width, auto images) {
    launch(context, "gather",
           {.grid = {grid_extent(tiles, kMostBlocks), grid_extent(divide_up(batch, kTileImages)),
                     grid_extent(replicas)},
            .block = {kByteValues}},
           gather_images<width, images>, source, static_cast<const float*>(table), batch, samples,
           output, labels);
  };
  with_pack_width(
      positions,
      [&](auto width) {
        with_pack_width(
            batch, [&](auto images) { move(width, images); }, output);
      },
      Replicas<const std::uint8_t>(source.images, 0));
}

}  // namespace redoubt::kernels::cuda
