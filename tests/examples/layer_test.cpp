// The README's layer.
#include <gtest/gtest.h>

#include <vector>

#include "engine/buffer.h"
#include "engine/network.h"
#include "tests/examples/leaky_relu.h"

namespace redoubt {
namespace {

constexpr int kReplicas = 2;
constexpr int kBatch = 3;
constexpr Shape kShape = {.channels = 2, .height = 2, .width = 1};
constexpr double kSlope = 0.25;

double leaky(double x) { return x > 0 ? x : kSlope * x; }

TEST(LeakyReluExample, GivesTheFormulaAndItsDerivative) {
  const Device cpu = {};
  ParameterLayout layout;
  const LeakyRelu layer({.slope = kSlope}, {kShape, layout});
  ASSERT_EQ(layer.output(), kShape);

  const std::int64_t size = kShape.size() * kBatch;
  std::vector<float> x;
  std::vector<float> grad_y;
  for (int i = 0; i < kReplicas * size; ++i) {
    x.push_back(static_cast<float>(i % 7) - 3.4F);  // never near 0, where there is no derivative
    grad_y.push_back(1 + 0.5F * static_cast<float>(i));
  }
  const Buffer<float> input(cpu, x);
  const Buffer<float> grad_output(cpu, grad_y);
  Buffer<float> output(cpu, std::ssize(x));
  Buffer<float> grad_input(cpu, std::ssize(x));
  Context context(cpu);
  const Pass pass = {.context = context, .replicas = kReplicas, .batch = kBatch};
  layer.forward(pass, input.replicas(size), output.replicas(size), {});
  layer.backward(pass, {.input = input.replicas(size),
                        .output = std::as_const(output).replicas(size),
                        .grad_output = grad_output.replicas(size),
                        .grad_input = grad_input.replicas(size)});

  const std::vector<float> y = output.download();
  const std::vector<float> grad_x = grad_input.download();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto at = static_cast<double>(x[i]);
    constexpr double kStep = 1e-3;
    const double slope = (leaky(at + kStep) - leaky(at - kStep)) / (2 * kStep);
    EXPECT_NEAR(y[i], leaky(at), 1e-6) << i;
    EXPECT_NEAR(grad_x[i], slope * static_cast<double>(grad_y[i]), 1e-5) << i;
  }
}

TEST(LeakyReluExample, NeedsNoGradientOfItsInputAtTheBottom) {
  ParameterLayout layout;
  const LeakyRelu layer({.slope = kSlope}, {kShape, layout});
  Context context{Device()};
  EXPECT_NO_THROW(layer.backward({.context = context}, {}));
}

/// As its name in the list makes it one of those that a file can name.
struct LayersAndLeakyRelu : ListOf<Conv, Dense, LeakyRelu> {};

TEST(LeakyReluExample, IsALayerAmongOthersOnceItIsInTheList) {
  const LayersAndLeakyRelu::Settings settings = LeakyRelu::Settings{.slope = kSlope};
  EXPECT_STREQ(LayersAndLeakyRelu::name_of(settings), "leaky_relu");
  NetworkBuilder builder({1, 4, 4});
  builder.append<Conv>({.channels = 2, .kernel = 3});
  LayersAndLeakyRelu::with_class(
      settings, [&]<class L>(const typename L::Settings& own) { builder.append<L>(own); });
  builder.append<Dense>({.units = 3});
  const Network network(std::move(builder), 3);
  EXPECT_EQ(network.layer_count(), 3);
  EXPECT_EQ(network.output(1), (Shape{2, 2, 2}));
}

}  // namespace
}  // namespace redoubt
