// Mean and deviation of a layer's weights, and zeroing those far from the mean (Wu et al. 2020,
// section IV-C, "adjusting extreme weights").
#pragma once

#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

/// A layer's weights [channels][per_channel], e.g. Cout and Cin·KH·KW.
struct WeightShape {
  int channels = 0;
  std::int64_t per_channel = 0;
};

struct WeightMoments {
  double mean = 0;
  double deviation = 0;  ///< of the population: divided by count
  std::int64_t count = 0;
};

/// Over the channels whose mask (may be null: all) is not 0: counting the zeros of pruned channels
/// would shrink the deviation. In double.
WeightMoments weight_moments(Context& context, const WeightShape& shape, const float* weights,
                             const float* mask);

/// Sets every weight outside [low, high] in an unmasked channel to 0 and returns how many it set.
std::int64_t zero_weights_outside(Context& context, const WeightShape& shape, double low,
                                  double high, const float* mask, float* weights);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::weight_moments) weight_moments;
decltype(kernels::zero_weights_outside) zero_weights_outside;
}  // namespace cuda

}  // namespace redoubt::kernels
