// The kernels once more, as plain loops in double over one replica: what the formulas say, with
// nothing done for speed. Layouts are those of the contract headers in kernels/.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv/conv.h"
#include "kernels/gather.h"
#include "kernels/gemm.h"
#include "kernels/pool.h"
#include "kernels/update.h"

namespace redoubt::reference {

using Values = std::vector<double>;

/// op(A) · op(B), all packed: rows of A, B and C follow one another without gaps.
Values gemm(const kernels::GemmShape& shape, const Values& a, const Values& b);

Values conv_forward(const kernels::ConvShape& shape, const Values& input, const Values& weight,
                    const Values& bias);
Values conv_backward_input(const kernels::ConvShape& shape, const Values& weight,
                           const Values& grad_output);
Values conv_backward_weight(const kernels::ConvShape& shape, const Values& input,
                            const Values& grad_output);

struct Pooled {
  Values output;
  Values argmax;  ///< max pooling only
};
/// Max pooling of the input, after a ReLU if the shape says so.
Pooled max_pool(const kernels::PoolShape& shape, const Values& input);
Values max_pool_backward(const kernels::PoolShape& shape, const Values& input,
                         const Values& grad_output);
Values average_pool(const kernels::PoolShape& shape, const Values& input);
Values average_pool_backward(const kernels::PoolShape& shape, const Values& grad_output);

/// max(input, 0) · mask[channel]; an empty mask is all ones.
Values relu(int channels, const Values& input, const Values& mask);
/// Each channel's sum of values over all positions and the first `valid` of `batch` images.
Values channel_sums(int channels, int batch, int valid, const Values& values);

/// values + bias[channel].
Values add_bias(const Values& values, const Values& bias);

/// The mean over images with label >= 0 of -log softmax(logits)[label]; 0 if there are none.
double mean_cross_entropy(int classes, int batch, const Values& logits,
                          const std::vector<int>& labels);
Values cross_entropy_gradient(int classes, int batch, const Values& logits,
                              const std::vector<int>& labels);
/// Images whose label has a strictly larger logit than every class before it and none smaller than
/// one after it.
int correct_count(int classes, int batch, const Values& logits, const std::vector<int>& labels);

/// One step; parameters and velocity change in place.
void sgd(const kernels::SgdSettings& settings, const Values& gradients, Values& parameters,
         Values& velocity);
void adam(const kernels::AdamSettings& settings, int step, const Values& gradients,
          Values& parameters, Values& first_moment, Values& second_moment);

}  // namespace redoubt::reference
