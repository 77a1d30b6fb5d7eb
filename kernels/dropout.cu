// Dropout on CUDA, with the same Philox numbers as the CPU, so the same bits.
#include "kernels/dropout.h"

#include <cmath>

#include "base/check.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

/// A thread takes the four values of one Philox block; nothing is stored but the result. 8 bytes an
/// element, about 20 integer operations each: below the memory floor on current GPUs. Packed: the
/// runs can be read four at a time.
template <bool kPacked>
__global__ void drop_values(std::int64_t size, std::uint32_t threshold, float scale,
                            std::uint8_t part, const RandomKey* keys, Replicas<const float> input,
                            Replicas<float> output) {
  const std::int64_t i = pack_index(4);
  if (i >= size) return;
  const int r = static_cast<int>(blockIdx.y);
  RandomKey key = keys[r];
  key.part = part;
  const RandomBlock bits = random_block(key, static_cast<std::uint32_t>(i / 4));
  const float* from = input[r] + i;
  float* to = output[r] + i;
  if constexpr (kPacked) {
    Pack<float, 4> values = load<4>(from);
    for (int j = 0; j < 4; ++j) values.at[j] = bits[j] < threshold ? 0 : values.at[j] * scale;
    store(to, values);
  } else {
    for (int j = 0; j < 4 && i + j < size; ++j) to[j] = bits[j] < threshold ? 0 : from[j] * scale;
  }
}

template <int kWidth>
__global__ void copy_values(std::int64_t size, Replicas<const float> input,
                            Replicas<float> output) {
  const std::int64_t i = pack_index(kWidth);
  if (i < size) store(output[blockIdx.y] + i, load<kWidth>(input[blockIdx.y] + i));
}

}  // namespace

void dropout(Context& context, const DropoutShape& shape, const RandomKey* keys,
             Replicas<const float> input, Replicas<float> output) {
  check(shape.rate >= 0 && shape.rate < 1, "a dropout rate is in [0, 1)");
  const auto threshold = static_cast<std::uint32_t>(std::floor(double{shape.rate} * 0x1p32));
  const float scale = 1.0F / (1.0F - shape.rate);
  with_pack_width(
      shape.size,
      [&](auto width) {
        if (shape.rate == 0) {
          launch(context, "dropout", over_replicas(shape.replicas, shape.size, width),
                 copy_values<width>, shape.size, input, output);
        } else {
          launch(context, "dropout", over_replicas(shape.replicas, shape.size, 4),
                 drop_values<width == 4>, shape.size, threshold, scale, shape.part, keys, input,
                 output);
        }
      },
      input, output);
}

}  // namespace redoubt::kernels::cuda
