#include "engine/layers/pool.h"

#include "base/check.h"

namespace redoubt {

namespace {

/// `stride` 0: the window's size.
kernels::PoolShape pool_shape(int window, int stride, const LayerBuilder& builder) {
  const Shape& input = builder.input();
  if (window > input.height || window > input.width) {
    throw InputError("pool: a window of " + std::to_string(window) +
                     " does not fit into an input of " + to_string(input));
  }
  return {.channels = input.channels,
          .height = input.height,
          .width = input.width,
          .window = window,
          .stride = stride == 0 ? window : stride,
          .relu = builder.place().relu_before};
}

/// The window that covers the whole input.
AveragePool::Settings whole_input(const Shape& input) {
  if (input.height != input.width) {
    throw InputError("global_average_pool: the input of " + to_string(input) + " is not square");
  }
  return {.window = input.height};
}

kernels::PoolShape for_pass(kernels::PoolShape shape, const Pass& pass) {
  shape.replicas = pass.replicas;
  shape.batch = pass.batch;
  return shape;
}

Shape output_of(const kernels::PoolShape& shape) {
  return {shape.channels, shape.out_height(), shape.out_width()};
}

}  // namespace

MaxPool::MaxPool(const Settings& settings, LayerBuilder& builder)
    : Layer(output_of(pool_shape(settings.window, settings.stride, builder))),
      shape_(pool_shape(settings.window, settings.stride, builder)),
      channels_(shape_.relu ? MaskedChannels(builder) : MaskedChannels()) {}

std::size_t MaxPool::state_bytes(int batch) const {
  return static_cast<std::size_t>(output().size()) * static_cast<std::size_t>(batch);
}

void MaxPool::forward(const Pass& pass, kernels::Replicas<const float> input,
                      kernels::Replicas<float> output,
                      kernels::Replicas<std::uint8_t> state) const {
  kernels::max_pool_forward(pass.context, for_pass(shape_, pass), input, channels_.effects(pass),
                            output, state);
}

void MaxPool::backward(const Pass& pass, const LayerValues& values) const {
  if (!values.grad_input) return;
  kernels::max_pool_backward(pass.context, for_pass(shape_, pass), values.output, values.state,
                             values.grad_output, values.grad_input);
}

AveragePool::AveragePool(const Settings& settings, const LayerBuilder& builder)
    : Layer(output_of(pool_shape(settings.window, settings.stride, builder))),
      shape_(pool_shape(settings.window, settings.stride, builder)) {}

GlobalAveragePool::GlobalAveragePool(const Settings& /*none*/, const LayerBuilder& builder)
    : AveragePool(whole_input(builder.input()), builder) {}

void AveragePool::forward(const Pass& pass, kernels::Replicas<const float> input,
                          kernels::Replicas<float> output,
                          kernels::Replicas<std::uint8_t> /*state*/) const {
  kernels::average_pool_forward(pass.context, for_pass(shape_, pass), input, output);
}

void AveragePool::backward(const Pass& pass, const LayerValues& values) const {
  if (!values.grad_input) return;
  kernels::average_pool_backward(pass.context, for_pass(shape_, pass), values.grad_output,
                                 values.grad_input);
}

}  // namespace redoubt
