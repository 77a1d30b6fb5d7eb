// Max and average pooling.
#include "kernels/pool.h"

#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

OperationCase max_pool_case(const kernels::PoolShape& s, int gap) {
  const Values input = random_values(21, s.replicas * s.input_size());
  const Values grad_output = random_values(22, s.replicas * s.output_size());
  const Values mask = random_masks(23, std::int64_t{s.replicas} * s.channels);
  const std::vector<int> valid = valid_counts(s.replicas, s.batch);
  OperationCase entry;
  entry.family = "max_pool";
  entry.name = std::to_string(s.channels) + "x" + std::to_string(s.height) + "x" +
               std::to_string(s.width) + ", window " + std::to_string(s.window) + ", stride " +
               std::to_string(s.stride) + ", N=" + std::to_string(s.batch) +
               ", R=" + std::to_string(s.replicas) + (s.relu ? ", relu" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    const Buffer<int> real(device, valid);
    Blocks<float> x(device, s.replicas, s.input_size(), {gap}, input);
    Blocks<float> dy(device, s.replicas, s.output_size(), {gap}, grad_output);
    Blocks<float> masks(device, s.replicas, s.channels, {gap}, mask);
    Blocks<double> record(device, s.replicas, s.channels, {gap},
                          Values(static_cast<std::size_t>(s.replicas * s.channels), 0.0));
    Blocks<float> y(device, s.replicas, s.output_size(), {gap});
    Blocks<float> unwatched(device, s.replicas, s.output_size(), {gap});
    Blocks<std::uint8_t> winners(device, s.replicas, s.output_size(), {gap});
    Blocks<float> dx(device, s.replicas, s.input_size(), {gap});
    kernels::ChannelEffects effects;
    if (s.relu) effects = {masks.view(), record.view(), real.data()};
    kernels::max_pool_forward(context, s, x.view(), effects, y.view(), winners.view());
    kernels::max_pool_backward(context, s, y.view(), winners.view(), dy.view(), dx.view());
    kernels::max_pool_forward(context, s, x.view(), {}, unwatched.view(), {});
    context.synchronize();
    return {{"output", y.values()},
            {"grad_input", dx.values()},
            {"record", record.values()},
            {"output without mask, without argmax", unwatched.values()}};
  };
  entry.reference = [=]() -> Results {
    Results results = {
        {"output", {}}, {"grad_input", {}, 2e-7}, {"record", {}, 1e-14}, {"plain", {}}};
    const auto append = [&](int which, const Values& values) {
      Values& to = results[which].values;
      to.insert(to.end(), values.begin(), values.end());
    };
    for (int r = 0; r < s.replicas; ++r) {
      const Values plain = block(input, s.input_size(), r);
      Values x = plain;
      if (s.relu) x = reference::relu(s.channels, x, block(mask, s.channels, r));
      append(0, reference::max_pool(s, x).output);
      append(1, reference::max_pool_backward(s, x, block(grad_output, s.output_size(), r)));
      append(2, s.relu ? reference::channel_sums(s.channels, s.batch, valid[r], x)
                       : Values(static_cast<std::size_t>(s.channels), 0.0));
      append(3, reference::max_pool(s, plain).output);
    }
    return results;
  };
  return entry;
}

OperationCase average_pool_case(const kernels::PoolShape& s, int gap) {
  const Values input = random_values(24, s.replicas * s.input_size());
  const Values grad_output = random_values(25, s.replicas * s.output_size());
  OperationCase entry;
  entry.family = "average_pool";
  entry.name = std::to_string(s.height) + "x" + std::to_string(s.width) + ", window " +
               std::to_string(s.window) + ", stride " + std::to_string(s.stride) +
               ", N=" + std::to_string(s.batch) + ", R=" + std::to_string(s.replicas);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> x(device, s.replicas, s.input_size(), {gap}, input);
    Blocks<float> dy(device, s.replicas, s.output_size(), {gap}, grad_output);
    Blocks<float> y(device, s.replicas, s.output_size(), {gap});
    Blocks<float> dx(device, s.replicas, s.input_size(), {gap});
    kernels::average_pool_forward(context, s, x.view(), y.view());
    kernels::average_pool_backward(context, s, dy.view(), dx.view());
    context.synchronize();
    return {{"output", y.values()}, {"grad_input", dx.values()}};
  };
  entry.reference = [=]() -> Results {
    return {{"output",
             for_replicas(s.replicas,
                          [&](int r) {
                            return reference::average_pool(s, block(input, s.input_size(), r));
                          }),
             1e-6},
            {"grad_input",
             for_replicas(s.replicas,
                          [&](int r) {
                            return reference::average_pool_backward(
                                s, block(grad_output, s.output_size(), r));
                          }),
             1e-6}};
  };
  return entry;
}

}  // namespace

void add_pool_cases(std::vector<OperationCase>& cases) {
  cases.push_back(average_pool_case({2, 3, 17, 18, 5, 17, 1, false}, 1));
  const int windows[][4] = {// height, width, window, stride
                            {6, 6, 2, 2}, {7, 5, 2, 2}, {8, 8, 3, 2}, {9, 7, 3, 3},
                            {5, 6, 2, 1}, {7, 7, 2, 3}, {3, 3, 3, 1}};
  for (const auto& w : windows) {
    for (const int batch : {1, 7, 10, 16, 33, 64}) {
      kernels::PoolShape shape = {batch == 10 ? 7 : 1, 3, w[0], w[1], batch, w[2], w[3], false};
      cases.push_back(average_pool_case(shape, batch % 3));
      cases.push_back(max_pool_case(shape, batch % 3));
      shape.relu = true;
      cases.push_back(max_pool_case(shape, batch % 3));
    }
  }
}

}  // namespace redoubt::test
