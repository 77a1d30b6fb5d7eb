#include "engine/layers/dropout.h"

#include <limits>

#include "base/check.h"

namespace redoubt {

Dropout::Dropout(const Settings& settings, const LayerBuilder& builder)
    : Layer(builder.input()),
      rate_(static_cast<float>(settings.rate)),
      place_(static_cast<std::uint8_t>(builder.place().index)) {
  // A dropout's place tells its random numbers from those of the others.
  if (builder.place().index > std::numeric_limits<std::uint8_t>::max()) {
    throw InputError("dropout may stand among the first 256 layers only");
  }
}

kernels::DropoutShape Dropout::shape_of(const Pass& pass) const {
  return {.replicas = pass.replicas,
          .size = output().size() * pass.batch,
          .rate = pass.training ? rate_ : 0,
          .part = place_};
}

void Dropout::forward(const Pass& pass, kernels::Replicas<const float> input,
                      kernels::Replicas<float> output,
                      kernels::Replicas<std::uint8_t> /*state*/) const {
  kernels::dropout(pass.context, shape_of(pass), pass.keys, input, output);
}

void Dropout::backward(const Pass& pass, const LayerValues& values) const {
  if (!values.grad_input) return;
  kernels::dropout(pass.context, shape_of(pass), pass.keys, values.grad_output, values.grad_input);
}

}  // namespace redoubt
