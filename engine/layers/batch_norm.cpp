#include "engine/layers/batch_norm.h"

#include "base/check.h"

namespace redoubt {

namespace {

constexpr auto kFloat = static_cast<std::int64_t>(sizeof(float));

/// The state's bytes as the floats [R][2][C] that the forward pass saves.
template <class To, class From>
kernels::Replicas<To> as_floats(kernels::Replicas<From> bytes) {
  return {reinterpret_cast<To*>(bytes.data), bytes.pitch / kFloat};
}

}  // namespace

BatchNorm::BatchNorm(const Settings& settings, LayerBuilder& builder)
    : Layer(builder.input()),
      settings_{.epsilon = static_cast<float>(settings.epsilon),
                .momentum = static_cast<float>(settings.momentum)} {
  const auto add = [&](const char* part, ParameterSpan::Role role, float start,
                       std::optional<float> least = {}) {
    return builder.add({.name = part,
                        .shape = {builder.input().channels},
                        .role = role,
                        .start = start,
                        .least = least});
  };
  // PyTorch's order and names.
  offsets_.gamma = add("weight", ParameterSpan::Role::weight, 1);
  offsets_.beta = add("bias", ParameterSpan::Role::bias, 0);
  offsets_.running_mean = add("running_mean", ParameterSpan::Role::statistic, 0);
  offsets_.running_variance = add("running_var", ParameterSpan::Role::statistic, 1, 0.0F);
}

kernels::ActivationShape BatchNorm::shape_of(const Pass& pass) const {
  return {.replicas = pass.replicas,
          .channels = output().channels,
          .positions = output().positions(),
          .batch = pass.batch};
}

std::size_t BatchNorm::state_bytes(int /*batch*/) const {
  return 2 * static_cast<std::size_t>(output().channels) * sizeof(float);
}

void BatchNorm::forward(const Pass& pass, kernels::Replicas<const float> input,
                        kernels::Replicas<float> output,
                        kernels::Replicas<std::uint8_t> state) const {
  kernels::BatchNormRows rows = {.gamma = pass.parameters.offset(offsets_.gamma),
                                 .beta = pass.parameters.offset(offsets_.beta)};
  if (pass.training) {
    check(pass.valid != nullptr && pass.statistics, "batch norm trains with valid and statistics");
    rows.running_mean = pass.statistics.offset(offsets_.running_mean);
    rows.running_variance = pass.statistics.offset(offsets_.running_variance);
    kernels::batch_norm_training(pass.context, shape_of(pass), settings_, pass.valid, input, rows,
                                 as_floats<float>(state), output);
    return;
  }
  kernels::batch_norm_inference(pass.context, shape_of(pass), settings_, input, rows.gamma,
                                rows.beta, pass.parameters.offset(offsets_.running_mean),
                                pass.parameters.offset(offsets_.running_variance), output);
}

void BatchNorm::backward(const Pass& pass, const LayerValues& values) const {
  kernels::batch_norm_backward(pass.context, shape_of(pass), pass.valid, values.input,
                               pass.parameters.offset(offsets_.gamma),
                               as_floats<const float>(values.state), values.grad_output,
                               pass.gradients.offset(offsets_.gamma),
                               pass.gradients.offset(offsets_.beta), values.grad_input);
}

}  // namespace redoubt
