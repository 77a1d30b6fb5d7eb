// Matrix products and convolution.
#include "tests/reference/reference.h"

namespace redoubt::reference {

namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

/// Calls body(output index, weight index, input index) for every product that a convolution sums.
template <class Body>
void for_products(const kernels::ConvShape& s, const Body& body) {
  const int out_height = s.out_height();
  const int out_width = s.out_width();
  for (int o = 0; o < s.out_channels; ++o) {
    for (int c = 0; c < s.in_channels; ++c) {
      for (int u = 0; u < s.kernel_height; ++u) {
        for (int v = 0; v < s.kernel_width; ++v) {
          const int weight = ((o * s.in_channels + c) * s.kernel_height + u) * s.kernel_width + v;
          for (int i = 0; i < out_height; ++i) {
            const int row = i * s.stride + u - s.padding;
            if (row < 0 || row >= s.height) continue;
            for (int j = 0; j < out_width; ++j) {
              const int column = j * s.stride + v - s.padding;
              if (column < 0 || column >= s.width) continue;
              for (int n = 0; n < s.batch; ++n) {
                body(at(((std::int64_t{o} * out_height + i) * out_width + j) * s.batch + n),
                     at(weight),
                     at(((std::int64_t{c} * s.height + row) * s.width + column) * s.batch + n));
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace

Values gemm(const kernels::GemmShape& s, const Values& a, const Values& b) {
  Values c(at(std::int64_t{s.rows} * s.columns), 0.0);
  for (int i = 0; i < s.rows; ++i) {
    for (int j = 0; j < s.columns; ++j) {
      for (int k = 0; k < s.inner; ++k) {
        const double left = a[at(s.transpose_a ? k * s.rows + i : i * s.inner + k)];
        const double right = b[at(s.transpose_b ? j * s.inner + k : k * s.columns + j)];
        c[at(i * s.columns + j)] += left * right;
      }
    }
  }
  return c;
}

Values conv_forward(const kernels::ConvShape& shape, const Values& input, const Values& weight,
                    const Values& bias) {
  Values output(at(shape.output_size()), 0.0);
  const std::int64_t channel = shape.output_size() / shape.out_channels;
  if (!bias.empty()) {
    for (std::size_t i = 0; i < output.size(); ++i) output[i] = bias[i / at(channel)];
  }
  for_products(shape, [&](std::size_t o, std::size_t w, std::size_t x) {
    output[o] += weight[w] * input[x];
  });
  return output;
}

Values conv_backward_input(const kernels::ConvShape& shape, const Values& weight,
                           const Values& grad_output) {
  Values grad_input(at(shape.input_size()), 0.0);
  for_products(shape, [&](std::size_t o, std::size_t w, std::size_t x) {
    grad_input[x] += weight[w] * grad_output[o];
  });
  return grad_input;
}

Values conv_backward_weight(const kernels::ConvShape& shape, const Values& input,
                            const Values& grad_output) {
  Values grad_weight(at(shape.weight_size()), 0.0);
  for_products(shape, [&](std::size_t o, std::size_t w, std::size_t x) {
    grad_weight[w] += input[x] * grad_output[o];
  });
  return grad_weight;
}

}  // namespace redoubt::reference
