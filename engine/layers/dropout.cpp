#include "engine/layers/dropout.h"

#include <limits>

#include "base/check.h"

namespace redoubt {

Dropout::Dropout(const Shape& shape, float rate, int place)
    : Layer(shape), rate_(rate), place_(static_cast<std::uint8_t>(place)) {
  // A dropout's place tells its random numbers from those of the others.
  if (place > std::numeric_limits<std::uint8_t>::max()) {
    throw InputError("dropout may stand among the first 256 layers only");
  }
}

std::unique_ptr<Layer> Dropout::make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder) {
  return std::make_unique<Dropout>(builder.input, static_cast<float>(arguments.at("rate")),
                                   builder.place);
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
