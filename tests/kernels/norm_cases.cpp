// Batch normalisation: training and running statistics, its way back, and batches that are not
// full.
#include <cmath>

#include "kernels/norm.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

constexpr double kTolerance = 2e-6;
const kernels::BatchNormSettings kSettings = {.epsilon = 1e-3F, .momentum = 0.2F};

/// What one replica's layer does with one batch, and what it sends back.
struct Normalized {
  Values output;
  Values running_mean;
  Values running_variance;
  Values grad_gamma;
  Values grad_beta;
  Values grad_input;
};

struct Layer {
  Values gamma;
  Values beta;
  Values running_mean;
  Values running_variance;
};

Normalized normalize(const kernels::ActivationShape& s, int valid, const Values& x,
                     const Layer& layer, const Values& dy) {
  Normalized result = {.output = x,
                       .running_mean = layer.running_mean,
                       .running_variance = layer.running_variance,
                       .grad_gamma = {},
                       .grad_beta = {},
                       .grad_input = Values(x.size(), 0.0)};
  const auto size = static_cast<std::size_t>(s.channel_size());
  const auto batch = static_cast<std::size_t>(s.batch);
  for (std::size_t c = 0; c < static_cast<std::size_t>(s.channels); ++c) {
    const auto counts = [&](std::size_t i) { return static_cast<int>(i % batch) < valid; };
    const double count = static_cast<double>(s.positions) * valid;
    double mean = 0;
    double variance = 0;
    for (std::size_t i = 0; i < size; ++i) mean += counts(i) ? x[c * size + i] / count : 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double d = x[c * size + i] - mean;
      variance += counts(i) ? d * d / count : 0;
    }
    if (count > 0) result.running_mean[c] += 0.2 * (mean - result.running_mean[c]);
    if (count > 1) {
      result.running_variance[c] +=
          0.2 * (variance * count / (count - 1) - result.running_variance[c]);
    }
    const double deviation = std::sqrt(variance + 1e-3);
    double sum = 0;
    double along = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double unit = (x[c * size + i] - mean) / deviation;
      result.output[c * size + i] = layer.gamma[c] * unit + layer.beta[c];
      if (!counts(i)) continue;
      sum += dy[c * size + i];
      along += dy[c * size + i] * unit;
    }
    result.grad_beta.push_back(sum);
    result.grad_gamma.push_back(along);
    for (std::size_t i = 0; i < size; ++i) {
      const double unit = (x[c * size + i] - mean) / deviation;
      if (counts(i)) {
        result.grad_input[c * size + i] =
            layer.gamma[c] / deviation * (dy[c * size + i] - sum / count - unit * along / count);
      }
    }
  }
  return result;
}

Values inference(const kernels::ActivationShape& s, const Values& x, const Layer& layer) {
  Values output = x;
  const auto size = static_cast<std::size_t>(s.channel_size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i / size;
    output[i] = (x[i] - layer.running_mean[c]) / std::sqrt(layer.running_variance[c] + 1e-3) *
                    layer.gamma[c] +
                layer.beta[c];
  }
  return output;
}

struct Inputs {
  Values x;
  Values dy;
  Values gamma;
  Values beta;
  Values mean;
  Values variance;
};

Inputs inputs_of(const kernels::ActivationShape& s) {
  const std::int64_t channels = s.replicas * s.channels;
  return {.x = random_values(71, s.replicas * s.size()),
          .dy = random_values(72, s.replicas * s.size()),
          .gamma = random_values(73, channels),
          .beta = random_values(74, channels),
          .mean = random_values(75, channels),
          .variance = random_values(76, channels, 0.1, 2)};
}

Results run_norm(Device device, const kernels::ActivationShape& s, const std::vector<int>& valid,
                 const Inputs& in) {
  Context context(device);
  const int replicas = s.replicas;
  Blocks<float> x(device, replicas, s.size(), {3}, in.x);
  Blocks<float> dy(device, replicas, s.size(), {5}, in.dy);
  Blocks<float> gamma(device, replicas, s.channels, {7}, in.gamma);
  Blocks<float> beta(device, replicas, s.channels, {1}, in.beta);
  Blocks<float> mean(device, replicas, s.channels, {2}, in.mean);
  Blocks<float> variance(device, replicas, s.channels, {4}, in.variance);
  Blocks<float> saved(device, replicas, 2 * s.channels, {3});
  Blocks<float> output(device, replicas, s.size(), {5});
  Blocks<float> evaluated(device, replicas, s.size(), {5});
  Blocks<float> grad_gamma(device, replicas, s.channels, {3});
  Blocks<float> grad_beta(device, replicas, s.channels, {3});
  Blocks<float> dx(device, replicas, s.size(), {7});
  const Buffer<int> images(device, std::span<const int>(valid));
  const kernels::BatchNormRows rows = {gamma.view(), beta.view(), mean.view(), variance.view()};
  kernels::batch_norm_inference(context, s, kSettings, x.view(), gamma.view(), beta.view(),
                                mean.view(), variance.view(), evaluated.view());
  kernels::batch_norm_training(context, s, kSettings, images.data(), x.view(), rows, saved.view(),
                               output.view());
  kernels::batch_norm_backward(context, s, images.data(), x.view(), gamma.view(), saved.view(),
                               dy.view(), grad_gamma.view(), grad_beta.view(), dx.view());
  context.synchronize();
  return {{"evaluated", evaluated.values()},   {"output", output.values()},
          {"running_mean", mean.values()},     {"running_variance", variance.values()},
          {"grad_gamma", grad_gamma.values()}, {"grad_beta", grad_beta.values()},
          {"grad_input", dx.values()}};
}

OperationCase norm_case(const kernels::ActivationShape& s, const std::vector<int>& valid) {
  const Inputs in = inputs_of(s);
  OperationCase entry;
  entry.family = "norm";
  entry.name = std::to_string(s.channels) + " channels of " + std::to_string(s.positions) +
               ", N=" + std::to_string(s.batch) + ", valid " + std::to_string(valid.front());
  entry.run = [=](Device device) { return run_norm(device, s, valid, in); };
  entry.reference = [=]() -> Results {
    Results results = {{"evaluated", {}, kTolerance},    {"output", {}, kTolerance},
                       {"running_mean", {}, kTolerance}, {"running_variance", {}, kTolerance},
                       {"grad_gamma", {}, kTolerance},   {"grad_beta", {}, kTolerance},
                       {"grad_input", {}, kTolerance}};
    for (int r = 0; r < s.replicas; ++r) {
      const Layer layer = {block(in.gamma, s.channels, r), block(in.beta, s.channels, r),
                           block(in.mean, s.channels, r), block(in.variance, s.channels, r)};
      const Values x = block(in.x, s.size(), r);
      const Normalized all = normalize(s, valid[r], x, layer, block(in.dy, s.size(), r));
      const Values parts[] = {inference(s, x, layer), all.output,     all.running_mean,
                              all.running_variance,   all.grad_gamma, all.grad_beta,
                              all.grad_input};
      for (std::size_t i = 0; i < results.size(); ++i) {
        results[i].values.insert(results[i].values.end(), parts[i].begin(), parts[i].end());
      }
    }
    return results;
  };
  return entry;
}

}  // namespace

void add_norm_cases(std::vector<OperationCase>& cases) {
  cases.push_back(norm_case({1, 1, 1, 8}, {8}));
  cases.push_back(norm_case({1, 3, 4, 5}, {5}));
  cases.push_back(norm_case({2, 5, 6, 16}, {16, 11}));
  cases.push_back(norm_case({3, 2, 9, 64}, {1, 64, 0}));
  cases.push_back(norm_case({2, 4, 49, 33}, {33, 32}));
  // One value: no variance, and none to divide by.
  cases.push_back(norm_case({1, 2, 1, 4}, {1}));
}

namespace {

Values training_output(const kernels::ActivationShape& s, const std::vector<Values>& in) {
  return for_replicas(2, [&](int r) {
    const Layer layer = {block(in[1], s.channels, r), block(in[2], s.channels, r),
                         Values(static_cast<std::size_t>(s.channels), 0.0),
                         Values(static_cast<std::size_t>(s.channels), 1.0)};
    const Values x = block(in[0], s.size(), r);
    return normalize(s, s.batch, x, layer, x).output;
  });
}

}  // namespace

GradientCase norm_gradient(int batch) {
  const kernels::ActivationShape s = {2, 3, 4, batch};
  GradientCase entry;
  entry.family = "norm";
  entry.name = "N=" + std::to_string(batch);
  entry.inputs = {random_values(77, 2 * s.size()), random_values(78, 2 * s.channels),
                  random_values(79, 2 * s.channels)};
  entry.forward = [=](const std::vector<Values>& in) { return training_output(s, in); };
  entry.grad_output = random_values(80, 2 * s.size());
  entry.backward = [=, inputs = entry.inputs, grad = entry.grad_output](Device device) -> Results {
    const Values zeros(static_cast<std::size_t>(2 * s.channels), 0.0);
    const Values ones(zeros.size(), 1.0);
    const Results all = run_norm(device, s, {batch, batch},
                                 {.x = inputs[0],
                                  .dy = grad,
                                  .gamma = inputs[1],
                                  .beta = inputs[2],
                                  .mean = zeros,
                                  .variance = ones});
    return {{"input", all[6].values, 1e-5},
            {"gamma", all[4].values, 1e-5},
            {"beta", all[5].values, 1e-5}};
  };
  return entry;
}

}  // namespace redoubt::test
