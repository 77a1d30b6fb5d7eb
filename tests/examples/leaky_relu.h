// y = x where x > 0, else slope · x (Maas, Hannun, Ng 2013), put together from kernels, so that it
// runs wherever they do.
#pragma once

#include "engine/layer.h"
#include "engine/layer_spec.h"
#include "kernels/activation.h"
#include "kernels/rows.h"

namespace redoubt {

class LeakyRelu : public Layer {
 public:
  LeakyRelu(const Shape& shape, float slope) : Layer(shape), slope_(slope) {}

  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder) {
    return std::make_unique<LeakyRelu>(builder.input, static_cast<float>(arguments.at("slope")));
  }

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> /*state*/) const override {
    kernels::relu_forward(pass.context, activation(pass), input, {}, output);
    leak(pass, input, output);
  }

  void backward(const Pass& pass, const LayerValues& values) const override {
    if (!values.grad_input) return;  // no layer before this one has parameters
    kernels::relu_backward(pass.context, activation(pass), values.output, values.grad_output,
                           values.grad_input);
    leak(pass, values.grad_output, values.grad_input);
  }

 private:
  kernels::ActivationShape activation(const Pass& pass) const {
    return {pass.replicas, output().channels, output().positions(), pass.batch};
  }

  /// kept ← (1 - slope) · kept + slope · whole
  void leak(const Pass& pass, kernels::Replicas<const float> whole,
            kernels::Replicas<float> kept) const {
    const kernels::MatrixShape matrix = {pass.replicas, output().size() * pass.batch};
    kernels::axpy_rows(pass.context, matrix, -slope_, kept, kept);
    kernels::axpy_rows(pass.context, matrix, slope_, whole, kept);
  }

  float slope_;
};

/// The row for the table in engine/layers/table.cpp.
inline const LayerEntry kLeakyRelu = {
    .kind = "leaky_relu",
    .description = "ReLU that lets a share of negative inputs through",
    .arguments = {{.name = "slope", .fallback = 0.01, .low = 0, .high = 1, .whole = false}},
    .make = LeakyRelu::make};

}  // namespace redoubt
