// Max and average pooling without padding; rows and columns that fill no window are left out
// (floor).
//   input [R][C][H][W][N], output [R][C][OH][OW][N], OH = (H - window) / stride + 1.
#pragma once

#include "kernels/activation.h"
#include "kernels/device.h"
#include "kernels/view.h"

namespace redoubt::kernels {

/// argmax holds a place in a window in one byte.
constexpr int kLargestMaxPoolWindow = 15;

struct PoolShape {
  int replicas = 1;
  int channels = 1;
  int height = 1;
  int width = 1;
  int batch = 1;
  int window = 2;  ///< max pooling: at most kLargestMaxPoolWindow
  int stride = 2;
  /// Max pooling only: the input passes a ReLU first, fused into the same pass. As max and ReLU
  /// commute, the input's sign needs no second pass in either direction.
  bool relu = false;

  constexpr int out_height() const { return (height - window) / stride + 1; }
  constexpr int out_width() const { return (width - window) / stride + 1; }
  constexpr std::int64_t input_size() const {
    return std::int64_t{channels} * height * width * batch;
  }
  constexpr std::int64_t output_size() const {
    return std::int64_t{channels} * out_height() * out_width() * batch;
  }
};

/// output = max over each window. argmax, laid out as output, is the winner's place in its window,
/// row · window + column; the first of equals wins, NaN wins over numbers (the fused ReLU may then
/// name another place: no gradient passes there). With shape.relu the effects apply between ReLU
/// and pooling (record sees every position, pooled or not); without, they must be empty. argmax may
/// be absent when no backward pass follows.
void max_pool_forward(Context& context, const PoolShape& shape, Replicas<const float> input,
                      const ChannelEffects& effects, Replicas<float> output,
                      Replicas<std::uint8_t> argmax);

/// grad_input gets each output's gradient at its winner, summed where windows overlap, 0 elsewhere.
/// With shape.relu, only outputs > 0 pass theirs. Overwrites grad_input.
void max_pool_backward(Context& context, const PoolShape& shape, Replicas<const float> output,
                       Replicas<const std::uint8_t> argmax, Replicas<const float> grad_output,
                       Replicas<float> grad_input);

/// output = mean over each window.
void average_pool_forward(Context& context, const PoolShape& shape, Replicas<const float> input,
                          Replicas<float> output);

/// Overwrites grad_input.
void average_pool_backward(Context& context, const PoolShape& shape,
                           Replicas<const float> grad_output, Replicas<float> grad_input);

/// The CUDA side: the same contracts, reached through the functions above.
namespace cuda {
decltype(kernels::max_pool_forward) max_pool_forward;
decltype(kernels::max_pool_backward) max_pool_backward;
decltype(kernels::average_pool_forward) average_pool_forward;
decltype(kernels::average_pool_backward) average_pool_backward;
}  // namespace cuda

}  // namespace redoubt::kernels
