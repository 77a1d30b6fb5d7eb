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

/// table[c · 256 + byte] is the byte's normalised value, computed as on the CPU, so with its bits.
__global__ void fill_byte_table(const float* mean, const float* deviation, float* table) {
  const int c = static_cast<int>(blockIdx.x);
  const int byte = static_cast<int>(threadIdx.x);
  const double value =
      (byte / 255.0 - static_cast<double>(mean[c])) / static_cast<double>(deviation[c]);
  table[c * kByteValues + byte] = static_cast<float>(value);
}

/// A block moves the same 128 positions of one channel of up to 32 images: reads them image by
/// image, stamps the triggers that fall into them, and writes their values position by position,
/// where the images of a batch lie side by side. Bytes an element: 1 read, 4 written. Grid:
/// channels · position tiles, batch / 32, replicas. kWidth: bytes read at once.
template <int kWidth>
__global__ void gather_images(ImageSource source, const float* tables, int batch,
                              Replicas<const Sample> samples, Replicas<float> output,
                              Replicas<std::int32_t> labels) {
  alignas(4) __shared__ std::uint8_t tile[kTileImages * kTilePitch];
  __shared__ float table[kByteValues];
  __shared__ int image_of[kTileImages];
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
  int trigger = -1;  // of the thread's own image
  if (thread < images) {
    const Sample sample = samples[r][first_image + thread];
    image_of[thread] = sample.image;
    if (sample.image >= 0) trigger = sample.trigger;
    if (blockIdx.x == 0) labels[r][first_image + thread] = sample.image < 0 ? -1 : sample.label;
  }
  __syncthreads();
  constexpr int kPacks = kTileBytes / kWidth;
  const std::int64_t image_size = std::int64_t{source.channels} * positions;
  for (int i = thread; i < images * kPacks; i += kByteValues) {
    const int n = i / kPacks;
    const int byte = i % kPacks * kWidth;
    if (byte >= bytes || image_of[n] < 0) continue;
    store(tile + n * kTilePitch + byte,
          load<kWidth>(source.images + image_of[n] * image_size + start + byte));
  }
  __syncthreads();
  // One thread an image, so that the last of several values for one pixel wins, as on the CPU.
  if (trigger >= 0) {
    for (int p = source.trigger_start[trigger]; p < source.trigger_start[trigger + 1]; ++p) {
      const int byte = source.trigger_pixels[p].offset - start;
      if (byte >= 0 && byte < bytes) {
        tile[thread * kTilePitch + byte] = source.trigger_pixels[p].value;
      }
    }
  }
  __syncthreads();
  // Neighbouring threads take neighbouring images, then the next position; without dividing.
  float* out = output[r] + static_cast<std::int64_t>(start) * batch + first_image;
  int byte = thread / images;
  int n = thread % images;
  while (byte < bytes) {
    float value = 0;
    if (image_of[n] >= 0) value = table[tile[n * kTilePitch + byte]];
    out[static_cast<std::int64_t>(byte) * batch + n] = value;
    byte += kByteValues / images;
    n += kByteValues % images;
    if (n >= images) {
      n -= images;
      ++byte;
    }
  }
}

}  // namespace

void gather(Context& context, const ImageSource& source, int replicas, int batch,
            Replicas<const Sample> samples, Replicas<float> output, Replicas<std::int32_t> labels) {
  auto* table = context.scratch_of<float>(static_cast<std::size_t>(source.channels) * kByteValues);
  launch(context, "fill_byte_table",
         {.grid = {grid_extent(source.channels, kMostBlocks)}, .block = {kByteValues}},
         fill_byte_table, source.mean, source.deviation, table);
  const int positions = source.height * source.width;
  const std::int64_t tiles = source.channels * divide_up(positions, kTileBytes);
  with_pack_width(
      positions,
      [&](auto width) {
        launch(context, "gather",
               {.grid = {grid_extent(tiles, kMostBlocks),
                         grid_extent(divide_up(batch, kTileImages)), grid_extent(replicas)},
                .block = {kByteValues}},
               gather_images<width>, source, static_cast<const float*>(table), batch, samples,
               output, labels);
      },
      Replicas<const std::uint8_t>(source.images, 0));
}

}  // namespace redoubt::kernels::cuda
