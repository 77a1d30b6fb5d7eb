#include "engine/layers/pool.h"

#include "base/check.h"

namespace redoubt {

namespace {

kernels::PoolShape pool_shape(const std::map<std::string, double>& arguments,
                              const LayerBuilder& builder) {
  const int window = static_cast<int>(arguments.at("window"));
  const int stride = static_cast<int>(arguments.at("stride"));
  if (window > builder.input.height || window > builder.input.width) {
    throw InputError("pool: a window of " + std::to_string(window) +
                     " does not fit into an input of " + to_string(builder.input));
  }
  return {.channels = builder.input.channels,
          .height = builder.input.height,
          .width = builder.input.width,
          .window = window,
          .stride = stride == 0 ? window : stride,
          .relu = builder.relu_before};
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

MaxPool::MaxPool(const kernels::PoolShape& shape, MaskedChannels channels)
    : Layer(output_of(shape)), shape_(shape), channels_(channels) {}

std::unique_ptr<Layer> MaxPool::make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder) {
  const kernels::PoolShape shape = pool_shape(arguments, builder);
  return std::make_unique<MaxPool>(shape, shape.relu ? MaskedChannels(builder) : MaskedChannels());
}

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

AveragePool::AveragePool(const kernels::PoolShape& shape)
    : Layer(output_of(shape)), shape_(shape) {}

std::unique_ptr<Layer> AveragePool::make(const std::map<std::string, double>& arguments,
                                         LayerBuilder& builder) {
  return std::make_unique<AveragePool>(pool_shape(arguments, builder));
}

std::unique_ptr<Layer> AveragePool::make_global(const std::map<std::string, double>& /*arguments*/,
                                                LayerBuilder& builder) {
  if (builder.input.height != builder.input.width) {
    throw InputError("global_average_pool: the input of " + to_string(builder.input) +
                     " is not square");
  }
  const auto side = static_cast<double>(builder.input.height);
  return make({{"window", side}, {"stride", side}}, builder);
}

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
