// y = x where x > 0, else slope · x (Maas, Hannun, Ng 2013), put together from kernels, so that it
// runs wherever they do.
#pragma once

#include "base/keys.h"
#include "engine/layer.h"
#include "kernels/activation.h"
#include "kernels/rows.h"

namespace redoubt {

class LeakyRelu : public Layer {
 public:
  static constexpr const char* kName = "leaky_relu";
  static constexpr const char* kDescription = "ReLU that lets a share of negative inputs through";
  struct Settings {
    float slope = 0.01F;
    bool operator==(const Settings&) const = default;

    static auto& shorthand(auto& s) { return s.slope; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("slope", s.slope, "share of a negative input", between(0, 1));
    }
  };
  LeakyRelu(const Settings& settings, const LayerBuilder& builder)
      : Layer(builder.input()), slope_(settings.slope) {}

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

}  // namespace redoubt
