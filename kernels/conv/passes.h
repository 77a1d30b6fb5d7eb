// What computes, engine by engine (engines.h). Contracts as in conv.h.
#pragma once

#include "kernels/conv/conv.h"

namespace redoubt::kernels {

/// Products of register tiles (kernels/tiles.h) with what the taps read, in place.
namespace direct {
decltype(kernels::conv_forward) conv_forward;
decltype(kernels::conv_backward_input) conv_backward_input;
decltype(kernels::conv_backward_weight) conv_backward_weight;
}  // namespace direct

namespace cuda {

/// Columns in memory (Chellapilla et al. 2006: "im2col") and a product by cuBLAS.
///   columns[K x J], K = Cin·KH·KW taps, J = OH·OW·N results a channel: output = weight · columns.
namespace columns {
decltype(kernels::conv_forward) conv_forward;
decltype(kernels::conv_backward_input) conv_backward_input;
decltype(kernels::conv_backward_weight) conv_backward_weight;
}  // namespace columns

/// The same products with tiles of the columns gathered on the fly, in our own kernels.
namespace implicit {
decltype(kernels::conv_forward) conv_forward;
decltype(kernels::conv_backward_input) conv_backward_input;
decltype(kernels::conv_backward_weight) conv_backward_weight;
}  // namespace implicit

/// cuDNN's convolutions, with our layout turned into cuDNN's and back. Throws Unsupported. In
/// builds with cuDNN only.
namespace by_cudnn {
decltype(kernels::conv_forward) conv_forward;
decltype(kernels::conv_backward_input) conv_backward_input;
decltype(kernels::conv_backward_weight) conv_backward_weight;
}  // namespace by_cudnn

}  // namespace cuda

}  // namespace redoubt::kernels
