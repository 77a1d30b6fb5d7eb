// ReLU with its effects, bias, dropout and loss.
#include "kernels/activation.h"
#include "kernels/bias.h"
#include "kernels/dropout.h"
#include "kernels/loss.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

using kernels::ActivationShape;

std::string describe(const ActivationShape& s) {
  return std::to_string(s.channels) + "x" + std::to_string(s.positions) +
         ", N=" + std::to_string(s.batch) + ", R=" + std::to_string(s.replicas);
}

OperationCase relu_case(const ActivationShape& s, bool shared_mask) {
  const Values input = random_values(11, s.replicas * s.size());
  const Values grad_output = random_values(12, s.replicas * s.size());
  const Values mask = random_masks(13, std::int64_t{shared_mask ? 1 : s.replicas} * s.channels);
  const std::vector<int> valid = valid_counts(s.replicas, s.batch);
  OperationCase entry;
  entry.family = "relu";
  entry.name = describe(s) + (shared_mask ? ", shared mask" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    const Buffer<int> real(device, valid);
    Blocks<float> x(device, s.replicas, s.size(), {3}, input);
    Blocks<float> dy(device, s.replicas, s.size(), {3}, grad_output);
    Blocks<float> masks(device, s.replicas, s.channels, {2, shared_mask}, mask);
    Blocks<double> record(device, s.replicas, s.channels, {2},
                          Values(static_cast<std::size_t>(s.replicas * s.channels), 1.0));
    Blocks<float> y(device, s.replicas, s.size(), {3});
    Blocks<float> plain(device, s.replicas, s.size(), {3});
    Blocks<float> dx(device, s.replicas, s.size(), {3});
    kernels::relu_forward(context, s, x.view(), {}, plain.view());
    kernels::relu_forward(context, s, x.view(), {masks.view(), record.view(), real.data()},
                          y.view());
    kernels::relu_backward(context, s, y.view(), dy.view(), dx.view());
    context.synchronize();
    return {{"output", y.values()},
            {"without effects", plain.values()},
            {"record", record.values()},
            {"grad_input", dx.values()}};
  };
  entry.reference = [=]() -> Results {
    Results results = {
        {"output", {}}, {"without effects", {}}, {"record", {}, 1e-14}, {"grad_input", {}}};
    const auto append = [&](int which, const Values& values) {
      Values& to = results[which].values;
      to.insert(to.end(), values.begin(), values.end());
    };
    for (int r = 0; r < s.replicas; ++r) {
      const Values x = block(input, s.size(), r);
      const Values y = reference::relu(s.channels, x, block(mask, s.channels, r, shared_mask));
      Values sums = reference::channel_sums(s.channels, s.batch, valid[r], y);
      for (double& sum : sums) sum += 1.0;
      Values dx = block(grad_output, s.size(), r);
      for (std::size_t i = 0; i < dx.size(); ++i) dx[i] = y[i] > 0 ? dx[i] : 0;
      append(0, y);
      append(1, reference::relu(s.channels, x, {}));
      append(2, sums);
      append(3, dx);
    }
    return results;
  };
  return entry;
}

OperationCase bias_case(const ActivationShape& s, bool shared) {
  const Values input = random_values(14, s.replicas * s.size());
  const Values bias = random_values(15, std::int64_t{shared ? 1 : s.replicas} * s.channels);
  OperationCase entry;
  entry.family = "bias";
  entry.name = describe(s) + (shared ? ", shared bias" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> values(device, s.replicas, s.size(), {1}, input);
    Blocks<float> b(device, s.replicas, s.channels, {1, shared}, bias);
    Blocks<float> db(device, s.replicas, s.channels, {1});
    kernels::bias_gradient(context, s, values.view(), db.view());
    kernels::add_bias(context, s, b.view(), values.view());
    context.synchronize();
    return {{"sum", values.values()}, {"grad_bias", db.values()}};
  };
  entry.reference = [=]() -> Results {
    const auto sum = for_replicas(s.replicas, [&](int r) {
      return reference::add_bias(block(input, s.size(), r), block(bias, s.channels, r, shared));
    });
    const auto gradient = for_replicas(s.replicas, [&](int r) {
      return reference::channel_sums(s.channels, s.batch, s.batch, block(input, s.size(), r));
    });
    return {{"sum", sum, 1e-7}, {"grad_bias", gradient, 2e-6}};
  };
  return entry;
}

/// The choice once more, from the description in dropout.h and Random123's numbers.
Values drop(const kernels::DropoutShape& s, RandomKey key, const Values& input) {
  key.part = s.part;
  Values output(input);
  for (std::size_t i = 0; i < output.size(); ++i) {
    const RandomBlock bits = random_block(key, static_cast<std::uint32_t>(i / 4));
    const double uniform = bits[i % 4] * 0x1p-32;
    output[i] =
        uniform < static_cast<double>(s.rate) ? 0 : input[i] / (1 - static_cast<double>(s.rate));
  }
  return output;
}

OperationCase dropout_case(int replicas, std::int64_t size, float rate) {
  const kernels::DropoutShape s = {replicas, size, rate, 5};
  const Values input = random_values(16, replicas * size);
  std::vector<RandomKey> keys;
  for (int r = 0; r < replicas; ++r) {
    keys.push_back({9, Purpose::dropout, static_cast<std::uint32_t>(r), 2, 3});
  }
  OperationCase entry;
  entry.family = "dropout";
  entry.name = "size " + std::to_string(size) + ", R=" + std::to_string(replicas) + ", rate " +
               std::to_string(rate);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> x(device, replicas, size, {3}, input);
    Blocks<float> y(device, replicas, size, {3});
    const Buffer<RandomKey> own_keys(device, keys);
    kernels::dropout(context, s, own_keys.data(), x.view(), y.view());
    context.synchronize();
    return {{"output", y.values()}};
  };
  entry.reference = [=]() -> Results {
    return {{"output",
             for_replicas(replicas, [&](int r) { return drop(s, keys[r], block(input, size, r)); }),
             2e-7}};
  };
  return entry;
}

OperationCase loss_case(int replicas, int classes, int batch) {
  const kernels::LossShape s = {replicas, classes, batch};
  const std::int64_t size = std::int64_t{classes} * batch;
  const Values logits = random_values(17, replicas * size, -9, 9);
  Values labels = random_values(18, std::int64_t{replicas} * batch, 0, classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    // The last replica has padding only; the others, every fifth image.
    const bool padding =
        i % 5 == 4 || (replicas > 1 && static_cast<int>(i) >= (replicas - 1) * batch);
    labels[i] = padding ? -1 : static_cast<int>(labels[i]);
  }
  OperationCase entry;
  entry.family = "loss";
  entry.name = std::to_string(classes) + " classes, N=" + std::to_string(batch) +
               ", R=" + std::to_string(replicas);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> x(device, replicas, size, {1}, logits);
    Blocks<std::int32_t> y(device, replicas, batch, {2}, labels);
    Blocks<float> dx(device, replicas, size, {1});
    Buffer<kernels::LossTotals> totals(
        device, std::vector<kernels::LossTotals>(static_cast<std::size_t>(replicas), {1.0, 1, 1}));
    kernels::softmax_cross_entropy(context, s, x.view(), y.view(), dx.view(), totals.data());
    context.synchronize();
    Results results = {{"grad_logits", dx.values()}, {"loss", {}}, {"correct", {}}, {"count", {}}};
    for (const kernels::LossTotals& one : totals.download()) {
      results[1].values.push_back(one.loss - 1);
      results[2].values.push_back(static_cast<double>(one.correct - 1));
      results[3].values.push_back(static_cast<double>(one.count - 1));
    }
    return results;
  };
  entry.reference = [=]() -> Results {
    Results results = {
        {"grad_logits", {}, 1e-6}, {"loss", {}, 1e-6}, {"correct", {}}, {"count", {}}};
    for (int r = 0; r < replicas; ++r) {
      const Values x = block(logits, size, r);
      const Values own = block(labels, batch, r);
      const std::vector<int> y(own.begin(), own.end());
      const Values gradient = reference::cross_entropy_gradient(classes, batch, x, y);
      results[0].values.insert(results[0].values.end(), gradient.begin(), gradient.end());
      double count = 0;
      for (const int label : y) count += label >= 0 ? 1 : 0;
      results[1].values.push_back(count * reference::mean_cross_entropy(classes, batch, x, y));
      results[2].values.push_back(reference::correct_count(classes, batch, x, y));
      results[3].values.push_back(count);
    }
    return results;
  };
  return entry;
}

}  // namespace

void add_layer_cases(std::vector<OperationCase>& cases) {
  for (const int batch : {1, 3, 10, 16, 33, 64}) {
    for (const int replicas : {1, 7}) {
      const ActivationShape shape = {replicas, 5, batch == 10 ? 1 : 6, batch};
      cases.push_back(relu_case(shape, false));
      cases.push_back(relu_case(shape, true));
      cases.push_back(bias_case(shape, false));
      cases.push_back(bias_case(shape, true));
      cases.push_back(loss_case(replicas, 10, batch));
      cases.push_back(loss_case(replicas, 3, batch));
    }
    cases.push_back(dropout_case(2, 7 * batch, 0.25F));
    cases.push_back(dropout_case(1, 4 * batch, 0.5F));
    cases.push_back(dropout_case(3, 5 * batch, 0.0F));
  }
}

}  // namespace redoubt::test
