#include "kernels/dropout.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace redoubt::kernels {

void dropout(Context& context, const DropoutShape& shape, const RandomKey* keys,
             Replicas<const float> input, Replicas<float> output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::dropout(context, shape, keys, input, output);
  }
  check(shape.rate >= 0 && shape.rate < 1, "a dropout rate is in [0, 1)");
  // A value is dropped if its 32 random bits are below rate · 2^32.
  const auto threshold = static_cast<std::uint32_t>(std::floor(double{shape.rate} * 0x1p32));
  const float scale = 1.0F / (1.0F - shape.rate);
  for (int r = 0; r < shape.replicas; ++r) {
    const float* from = input[r];
    float* to = output[r];
    if (shape.rate == 0) {
      context.copy_on_device(to, from, static_cast<std::size_t>(shape.size) * sizeof(float));
      continue;
    }
    RandomKey key = keys[r];
    key.part = shape.part;
    for (std::int64_t i = 0; i < shape.size; i += 4) {
      const RandomBlock bits = random_block(key, static_cast<std::uint32_t>(i / 4));
      const int left = static_cast<int>(std::min<std::int64_t>(4, shape.size - i));
      for (int j = 0; j < left; ++j) {
        to[i + j] = bits[j] < threshold ? 0 : from[i + j] * scale;
      }
    }
  }
}

}  // namespace redoubt::kernels
