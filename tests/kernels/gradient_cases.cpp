// Tiny cases whose gradients are checked against finite differences.
#include "kernels/activation.h"
#include "kernels/bias.h"
#include "kernels/conv/conv.h"
#include "kernels/loss.h"
#include "kernels/pool.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

constexpr double kTolerance = 1e-6;

GradientCase conv_gradient(int kernel, int stride, int padding, int batch) {
  kernels::ConvShape s;
  s.replicas = 2;
  s.batch = batch;
  s.in_channels = 2;
  s.height = 5;
  s.width = 4;
  s.out_channels = 3;
  s.kernel_height = kernel;
  s.kernel_width = kernel == 1 ? 1 : kernel - 1;
  s.stride = stride;
  s.padding = padding;
  GradientCase entry;
  entry.family = "conv";
  entry.name = "kernel " + std::to_string(kernel) + ", stride " + std::to_string(stride) +
               ", padding " + std::to_string(padding) + ", N=" + std::to_string(batch);
  entry.inputs = {random_values(51, 2 * s.input_size()), random_values(52, 2 * s.weight_size()),
                  random_values(53, 2 * s.out_channels)};
  entry.forward = [=](const std::vector<Values>& in) {
    return for_replicas(2, [&](int r) {
      return reference::conv_forward(s, block(in[0], s.input_size(), r),
                                     block(in[1], s.weight_size(), r),
                                     block(in[2], s.out_channels, r));
    });
  };
  entry.grad_output = random_values(54, 2 * s.output_size());
  entry.backward = [inputs = entry.inputs, grad = entry.grad_output, s](Device device) -> Results {
    Context context(device);
    Blocks<float> x(device, 2, s.input_size(), {}, inputs[0]);
    Blocks<float> w(device, 2, s.weight_size(), {}, inputs[1]);
    Blocks<float> dy(device, 2, s.output_size(), {}, grad);
    Blocks<float> dx(device, 2, s.input_size(), {});
    Blocks<float> dw(device, 2, s.weight_size(), {});
    Blocks<float> db(device, 2, s.out_channels, {});
    kernels::conv_backward_input(context, s, w.view(), dy.view(), dx.view());
    kernels::conv_backward_weight(context, s, x.view(), dy.view(), dw.view());
    kernels::bias_gradient(context, {2, s.out_channels, s.out_height() * s.out_width(), s.batch},
                           dy.view(), db.view());
    context.synchronize();
    return {{"input", dx.values(), kTolerance},
            {"weight", dw.values(), kTolerance},
            {"bias", db.values(), kTolerance}};
  };
  return entry;
}

GradientCase relu_gradient(int batch) {
  const kernels::ActivationShape s = {2, 3, 4, batch};
  GradientCase entry;
  entry.family = "relu";
  entry.name = "N=" + std::to_string(batch);
  entry.inputs = {random_values(55, 2 * s.size())};
  const Values mask = {1, 0, 1, 0, 1, 1};
  entry.forward = [=](const std::vector<Values>& in) {
    return for_replicas(2, [&](int r) {
      return reference::relu(s.channels, block(in[0], s.size(), r), block(mask, s.channels, r));
    });
  };
  entry.grad_output = random_values(56, 2 * s.size());
  entry.backward = [=, inputs = entry.inputs, grad = entry.grad_output](Device device) -> Results {
    Context context(device);
    Blocks<float> x(device, 2, s.size(), {}, inputs[0]);
    Blocks<float> masks(device, 2, s.channels, {}, mask);
    Blocks<float> dy(device, 2, s.size(), {}, grad);
    kernels::relu_forward(context, s, x.view(), {masks.view(), {}, nullptr}, x.view());
    kernels::relu_backward(context, s, x.view(), dy.view(), dy.view());
    context.synchronize();
    return {{"input", dy.values(), kTolerance}};
  };
  return entry;
}

GradientCase pool_gradient(bool average, bool relu, int window, int stride, int batch) {
  const kernels::PoolShape s = {2, 2, 5, 6, batch, window, stride, relu};
  GradientCase entry;
  entry.family = average ? "average_pool" : "max_pool";
  entry.name = "window " + std::to_string(window) + ", stride " + std::to_string(stride) +
               ", N=" + std::to_string(batch) + (relu ? ", relu" : "");
  entry.inputs = {random_values(57, 2 * s.input_size())};
  entry.forward = [=](const std::vector<Values>& in) {
    return for_replicas(2, [&](int r) {
      const Values x = block(in[0], s.input_size(), r);
      return average ? reference::average_pool(s, x) : reference::max_pool(s, x).output;
    });
  };
  entry.grad_output = random_values(58, 2 * s.output_size());
  entry.backward = [=, inputs = entry.inputs, grad = entry.grad_output](Device device) -> Results {
    Context context(device);
    Blocks<float> x(device, 2, s.input_size(), {}, inputs[0]);
    Blocks<float> y(device, 2, s.output_size(), {});
    Blocks<std::uint8_t> winners(device, 2, s.output_size(), {});
    Blocks<float> dy(device, 2, s.output_size(), {}, grad);
    Blocks<float> dx(device, 2, s.input_size(), {});
    if (average) {
      kernels::average_pool_backward(context, s, dy.view(), dx.view());
    } else {
      kernels::max_pool_forward(context, s, x.view(), {}, y.view(), winners.view());
      kernels::max_pool_backward(context, s, y.view(), winners.view(), dy.view(), dx.view());
    }
    context.synchronize();
    return {{"input", dx.values(), kTolerance}};
  };
  return entry;
}

GradientCase loss_gradient(int batch) {
  const kernels::LossShape s = {2, 4, batch};
  const std::int64_t size = std::int64_t{s.classes} * batch;
  Values labels;
  for (int i = 0; i < 2 * batch; ++i) labels.push_back(i % 5 - 1);
  GradientCase entry;
  entry.family = "loss";
  entry.name = "N=" + std::to_string(batch);
  entry.inputs = {random_values(59, 2 * size, -3, 3)};
  entry.forward = [=](const std::vector<Values>& in) {
    return for_replicas(2, [&](int r) -> Values {
      const Values own = block(labels, batch, r);
      return {reference::mean_cross_entropy(s.classes, batch, block(in[0], size, r),
                                            std::vector<int>(own.begin(), own.end()))};
    });
  };
  entry.grad_output = {1, 1};
  entry.backward = [=, inputs = entry.inputs](Device device) -> Results {
    Context context(device);
    Blocks<float> x(device, 2, size, {}, inputs[0]);
    Blocks<std::int32_t> y(device, 2, batch, {}, labels);
    Blocks<float> dx(device, 2, size, {});
    Buffer<kernels::LossTotals> totals(device, 2);
    kernels::softmax_cross_entropy(context, s, x.view(), y.view(), dx.view(), totals.data());
    context.synchronize();
    return {{"logits", dx.values(), kTolerance}};
  };
  return entry;
}

}  // namespace

void add_gradient_cases(std::vector<GradientCase>& cases) {
  for (const int batch : {1, 3, 8}) {
    cases.push_back(conv_gradient(3, 1, 0, batch));
    cases.push_back(conv_gradient(3, 1, 1, batch));
    cases.push_back(conv_gradient(3, 2, 1, batch));
    cases.push_back(conv_gradient(1, 1, 0, batch));
    cases.push_back(conv_gradient(2, 3, 2, batch));
    cases.push_back(relu_gradient(batch));
    if (batch > 1) cases.push_back(norm_gradient(batch));
    for (const bool average : {false, true}) {
      cases.push_back(pool_gradient(average, false, 2, 2, batch));
      cases.push_back(pool_gradient(average, false, 3, 1, batch));
      cases.push_back(pool_gradient(average, false, 2, 3, batch));
    }
    cases.push_back(pool_gradient(false, true, 2, 2, batch));
    cases.push_back(pool_gradient(false, true, 3, 2, batch));
    cases.push_back(loss_gradient(batch));
  }
}

}  // namespace redoubt::test
