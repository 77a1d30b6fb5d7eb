#include "kernels/gather.h"

#include <algorithm>

#include "base/check.h"

namespace redoubt::kernels {

namespace {

constexpr int kByteValues = 256;

void check_sample(const ImageSource& source, const Sample& sample) {
  check(sample.image >= -1 && sample.image < source.count, "a sample's image is in the image set");
  check(sample.trigger >= -1 && sample.trigger < source.trigger_count,
        "a sample's trigger is in the trigger table");
}

/// table[c · 256 + byte] is the limited byte's normalised value in channel c.
void fill_table(const ImageSource& source, float* table) {
  for (int c = 0; c < source.channels; ++c) {
    for (int byte = 0; byte < kByteValues; ++byte) {
      const int heard = std::clamp<int>(byte, source.range.lowest, source.range.highest);
      const double value = (heard / 255.0 - static_cast<double>(source.mean[c])) /
                           static_cast<double>(source.deviation[c]);
      table[c * kByteValues + byte] = static_cast<float>(value);
    }
  }
}

/// Writes batch column n of one channel. Strided, but the lines written stay in cache for the next
/// n.
void place_channel(int positions, int batch, const std::uint8_t* bytes, const float* table,
                   float* output) {
  for (int s = 0; s < positions; ++s)
    output[static_cast<std::int64_t>(s) * batch] = table[bytes[s]];
}

}  // namespace

void gather(Context& context, const ImageSource& source, int replicas, int batch,
            Replicas<const Sample> samples, Replicas<float> output, Replicas<std::int32_t> labels) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context))
      return cuda::gather(context, source, replicas, batch, samples, output, labels);
  }
  auto* table = context.scratch_of<float>(static_cast<std::size_t>(source.channels) * kByteValues);
  fill_table(source, table);
  const int positions = source.height * source.width;
  const std::int64_t image_size = static_cast<std::int64_t>(source.channels) * positions;
  for (int r = 0; r < replicas; ++r) {
    for (int n = 0; n < batch; ++n) {
      const Sample sample = samples[r][n];
      check_sample(source, sample);
      labels[r][n] = sample.image < 0 ? -1 : sample.label;
      float* column = output[r] + n;
      if (sample.image < 0) {
        for (std::int64_t i = 0; i < image_size; ++i) column[i * batch] = 0;
        continue;
      }
      const std::uint8_t* image = source.images + sample.image * image_size;
      for (int c = 0; c < source.channels; ++c) {
        const std::int64_t offset = static_cast<std::int64_t>(c) * positions;
        place_channel(positions, batch, image + offset, table + c * kByteValues,
                      column + offset * batch);
      }
      if (sample.trigger < 0) continue;
      const std::int32_t end = source.trigger_start[sample.trigger + 1];
      for (std::int32_t p = source.trigger_start[sample.trigger]; p < end; ++p) {
        const TriggerPixel pixel = source.trigger_pixels[p];
        check(pixel.offset >= 0 && pixel.offset < image_size, "a trigger's pixel is in the image");
        const int channel = pixel.offset / positions;
        column[static_cast<std::int64_t>(pixel.offset) * batch] =
            table[channel * kByteValues + pixel.value];
      }
    }
  }
}

}  // namespace redoubt::kernels
