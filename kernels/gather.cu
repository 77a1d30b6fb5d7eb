// Gather on CUDA. Images lie one after another, a batch lies innermost: gathering is a
// transposition of bytes, done in shared memory so that both sides touch whole memory segments.
#include "kernels/gather.h"

#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

constexpr int kByteValues = 256;
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

/// A block moves the same 128 bytes of up to 32 images: reads them image by image, stamps the
/// triggers that fall into them, and writes their values position by position, where the images of
/// a batch lie side by side. Bytes an element: 1 read, 4 written. The table (1 KB a channel) stays
/// in the first cache. Grid: image bytes / 128, batch / 32, replicas.
__global__ void gather_images(ImageSource source, const float* table, int batch,
                              Replicas<const Sample> samples, Replicas<float> output,
                              Replicas<std::int32_t> labels) {
  __shared__ std::uint8_t tile[kTileImages * kTilePitch];
  __shared__ int image_of[kTileImages];
  const int thread = static_cast<int>(threadIdx.x);
  const int r = static_cast<int>(blockIdx.z);
  const int positions = source.height * source.width;
  const int image_size = source.channels * positions;
  const int first_byte = static_cast<int>(blockIdx.x) * kTileBytes;
  const int bytes = image_size - first_byte < kTileBytes ? image_size - first_byte : kTileBytes;
  const int first_image = static_cast<int>(blockIdx.y) * kTileImages;
  const int images = batch - first_image < kTileImages ? batch - first_image : kTileImages;

  int trigger = -1;  // of the thread's own image
  if (thread < images) {
    const Sample sample = samples[r][first_image + thread];
    image_of[thread] = sample.image;
    if (sample.image >= 0) trigger = sample.trigger;
    if (blockIdx.x == 0) labels[r][first_image + thread] = sample.image < 0 ? -1 : sample.label;
  }
  __syncthreads();
  for (int i = thread; i < images * kTileBytes; i += static_cast<int>(blockDim.x)) {
    const int n = i / kTileBytes;
    const int byte = i % kTileBytes;
    if (byte >= bytes || image_of[n] < 0) continue;
    const std::int64_t start = static_cast<std::int64_t>(image_of[n]) * image_size;
    tile[n * kTilePitch + byte] = source.images[start + first_byte + byte];
  }
  __syncthreads();
  // One thread an image, so that the last of several values for one pixel wins, as on the CPU.
  if (trigger >= 0) {
    for (int p = source.trigger_start[trigger]; p < source.trigger_start[trigger + 1]; ++p) {
      const int byte = source.trigger_pixels[p].offset - first_byte;
      if (byte >= 0 && byte < bytes) {
        tile[thread * kTilePitch + byte] = source.trigger_pixels[p].value;
      }
    }
  }
  __syncthreads();
  float* out = output[r] + static_cast<std::int64_t>(first_byte) * batch + first_image;
  for (int i = thread; i < images * bytes; i += static_cast<int>(blockDim.x)) {
    const int byte = i / images;
    const int n = i % images;
    const int channel = (first_byte + byte) / positions;
    float value = 0;
    if (image_of[n] >= 0) value = table[channel * kByteValues + tile[n * kTilePitch + byte]];
    out[static_cast<std::int64_t>(byte) * batch + n] = value;
  }
}

}  // namespace

void gather(Context& context, const ImageSource& source, int replicas, int batch,
            Replicas<const Sample> samples, Replicas<float> output, Replicas<std::int32_t> labels) {
  auto* table = context.scratch_of<float>(static_cast<std::size_t>(source.channels) * kByteValues);
  launch(context, "fill_byte_table",
         {.grid = {grid_extent(source.channels, kMostBlocks)}, .block = {kByteValues}},
         fill_byte_table, source.mean, source.deviation, table);
  const std::int64_t image_size = std::int64_t{source.channels} * source.height * source.width;
  launch(context, "gather",
         {.grid = {grid_extent(divide_up(image_size, kTileBytes), kMostBlocks),
                   grid_extent(divide_up(batch, kTileImages)), grid_extent(replicas)},
          .block = {kBlock}},
         gather_images, source, table, batch, samples, output, labels);
}

}  // namespace redoubt::kernels::cuda
