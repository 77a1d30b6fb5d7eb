// Where parameters and channels lie, what they are called, and how they start.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "engine/fleet.h"
#include "engine/initialize.h"
#include "engine/network.h"
#include "engine/presets.h"
#include "tests/engine/network_cases.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Network preset_network(const std::string& name) {
  const Preset& entry = preset(name);
  return Network(entry.input, 10, entry.layers);
}

TEST(ParameterLayout, StartsEverySpanOnALineAndNeverOverlaps) {
  for (const Preset& entry : preset_table()) {
    const Network network(entry.input, 10, entry.layers);
    const ParameterLayout& layout = network.layout();
    std::int64_t end = 0;
    for (const ParameterSpan& span : layout.spans()) {
      EXPECT_EQ(span.offset % 32, 0) << entry.name << " " << span.name;
      EXPECT_GE(span.offset, end);
      EXPECT_LT(span.offset, end + 32) << "more padding than needed";
      EXPECT_EQ(span.size, std::accumulate(span.shape.begin(), span.shape.end(), std::int64_t{1},
                                           std::multiplies<>()));
      end = span.offset + span.size;
    }
    EXPECT_GE(layout.row_size(), end);
    EXPECT_EQ(layout.row_size() % 32, 0);
    std::int64_t mask_end = 0;
    for (const ChannelSpan& span : layout.channels()) {
      EXPECT_EQ(span.offset % 32, 0);
      EXPECT_GE(span.offset, mask_end);
      mask_end = span.offset + span.channels;
    }
    EXPECT_GE(layout.mask_size(), mask_end);
    EXPECT_EQ(layout.mask_size() % 32, 0);
  }
}

TEST(ParameterLayout, HasPyTorchsNamesAndShapes) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<int>> shapes;
  const Network network = preset_network("wu-mnist");
  for (const ParameterSpan& span : network.layout().spans()) {
    names.push_back(span.name);
    shapes[span.name] = span.shape;
  }
  EXPECT_THAT(names, ElementsAre("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                 "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"));
  EXPECT_THAT(shapes["conv2.weight"], ElementsAre(50, 20, 5, 5));
  EXPECT_THAT(shapes["conv2.bias"], ElementsAre(50));
  // 28 - 4 = 24, / 2 = 12, - 4 = 8, / 2 = 4: 50 maps of 4x4.
  EXPECT_THAT(shapes["fc1.weight"], ElementsAre(500, 50 * 4 * 4));
  EXPECT_THAT(shapes["fc2.weight"], ElementsAre(10, 500));
}

TEST(Preset, HasTheParameterCountOfAHandComputation) {
  const auto conv_count = [](int from, int to, int kernel) {
    return to * (from * kernel * kernel + 1);
  };
  const auto dense_count = [](int from, int to) { return to * (from + 1); };
  const std::map<std::string, int> expected = {
      // 32 - 2 - 2 = 28, / 2 = 14.
      {"pfl-cifar", conv_count(3, 32, 3) + conv_count(32, 64, 3) + dense_count(64 * 14 * 14, 128) +
                        dense_count(128, 10)},
      // 28 - 2 = 26, 13, - 2 = 11, 5.
      {"toy4", conv_count(1, 16, 3) + conv_count(16, 32, 3) + dense_count(32 * 5 * 5, 64) +
                   dense_count(64, 10)},
      {"wu-mnist", conv_count(1, 20, 5) + conv_count(20, 50, 5) + dense_count(50 * 4 * 4, 500) +
                       dense_count(500, 10)},
      {"wu-mnist-small", conv_count(1, 8, 5) + conv_count(8, 16, 5) + dense_count(16 * 4 * 4, 500) +
                             dense_count(500, 10)},
      // 28 - 2 = 26, 13, - 2 = 11, 5, - 2 = 3, 1.
      {"wu-fashion", conv_count(1, 16, 3) + conv_count(16, 32, 3) + conv_count(32, 64, 3) +
                         dense_count(64, 128) + dense_count(128, 10)},
      // Padded: 32, 16, 8.
      {"wu-cifar", conv_count(3, 32, 3) + conv_count(32, 32, 3) + conv_count(32, 64, 3) +
                       conv_count(64, 64, 3) + dense_count(64 * 8 * 8, 256) +
                       dense_count(256, 128) + dense_count(128, 10)},
  };
  ASSERT_EQ(preset_table().size(), expected.size() + 2) << "and the residual networks below";
  for (const auto& [name, count] : expected) {
    EXPECT_EQ(preset_network(name).layout().parameter_count(), count) << name;
  }
  // The same by published numbers: LeNet of 20 and 50 channels has 431,080.
  EXPECT_EQ(expected.at("wu-mnist"), 431080);
}

TEST(Preset, OfAResidualNetworkHasAsManyParametersAsByHand) {
  // 3x3 convolutions without bias; a batch norm has two numbers a channel.
  const auto normalized = [](int from, int to, int kernel) {
    return to * from * kernel * kernel + 2 * to;
  };
  const auto block = [&](int from, int to) {
    const int shortcut = from == to ? 0 : normalized(from, to, 1);
    return normalized(from, to, 3) + normalized(to, to, 3) + shortcut;
  };
  const auto count = [](const std::string& name) {
    return preset_network(name).layout().parameter_count();
  };
  EXPECT_EQ(count("resnet8"),
            normalized(3, 16, 3) + block(16, 16) + block(16, 32) + block(32, 64) + 64 * 10 + 10);
  EXPECT_EQ(count("resnet18"), normalized(3, 64, 3) + 2 * block(64, 64) + block(64, 128) +
                                   block(128, 128) + block(128, 256) + block(256, 256) +
                                   block(256, 512) + block(512, 512) + 512 * 10 + 10);
  EXPECT_EQ(count("resnet18"), 11173962) << "the number that its users know";
}

TEST(ChannelSpan, IsFoundByConvNameOrAsTheLast) {
  const Network network = preset_network("wu-fashion");
  const ParameterLayout& layout = network.layout();
  EXPECT_EQ(layout.conv_channels("conv2").channels, 32);
  EXPECT_EQ(layout.conv_channels("last").name, "conv3");
  EXPECT_THAT(input_error([&] { layout.conv_channels("fc1"); }),
              AllOf(HasSubstr("fc1"), HasSubstr("conv1, conv2, conv3")));
  const Network without({1, 4, 4}, 3, std::vector{dense(3)});
  EXPECT_THAT(input_error([&] { without.layout().conv_channels("last"); }), HasSubstr("none"));
}

TEST(Fleet, RowsAndSpansStartOnALineOfMemory) {
  const Network network = preset_network("wu-mnist-small");
  Fleet fleet(network.layout(), 3, 2, Device());
  EXPECT_EQ(fleet.pitch(), network.layout().row_size());
  for (int r = 0; r < 3; ++r) {
    for (const auto& matrix : {fleet.values(), fleet.gradients(), fleet.state(0), fleet.state(1)}) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix[r]) % 64, 0U);
    }
  }
  EXPECT_FALSE(fleet.state(2));
}

std::vector<float> initialized(const Network& network, Initialization kind, std::uint64_t seed) {
  std::vector<float> row(static_cast<std::size_t>(network.layout().row_size()), NAN);
  initialize(network.layout(), kind, seed, row);
  return row;
}

struct Moments {
  double mean = 0;
  double variance = 0;
  double largest = 0;
};

Moments moments(const std::vector<float>& row, const ParameterSpan& span) {
  Moments m;
  for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
    const double value = static_cast<double>(row[i]);
    m.mean += value / static_cast<double>(span.size);
    m.largest = std::max(m.largest, std::abs(value));
  }
  for (std::int64_t i = span.offset; i < span.offset + span.size; ++i) {
    const double value = static_cast<double>(row[i]) - m.mean;
    m.variance += value * value / static_cast<double>(span.size);
  }
  return m;
}

/// conv2.weight has 50·20·5·5 = 25,000 values: a sample variance is within 5 % of the true one
/// (four standard errors of a uniform or normal variance are under 4 %).
TEST(Initialize, HasTheBoundAndTheVarianceOfItsKind) {
  const Network network = preset_network("wu-mnist");
  const ParameterSpan& conv2 = *network.layout().find("conv2.weight");
  const ParameterSpan& fc1 = *network.layout().find("fc1.weight");
  struct Expected {
    const ParameterSpan* span;
    double fan_in, fan_out;
  };
  for (const Expected& e : {Expected{&conv2, 20 * 25.0, 50 * 25.0}, Expected{&fc1, 800, 500}}) {
    const auto uniform_bound = 1 / std::sqrt(e.fan_in);
    const Moments uniform =
        moments(initialized(network, Initialization::uniform_fan_in, 1), *e.span);
    EXPECT_LE(uniform.largest, uniform_bound * (1 + 1e-6));
    EXPECT_GT(uniform.largest, 0.99 * uniform_bound);
    EXPECT_NEAR(uniform.variance, uniform_bound * uniform_bound / 3, 0.05 * uniform.variance);
    EXPECT_NEAR(uniform.mean, 0, 0.03 * uniform_bound);

    const auto xavier_bound = std::sqrt(6 / (e.fan_in + e.fan_out));
    const Moments xavier = moments(initialized(network, Initialization::xavier, 1), *e.span);
    EXPECT_LE(xavier.largest, xavier_bound * (1 + 1e-6));
    EXPECT_GT(xavier.largest, 0.99 * xavier_bound);
    EXPECT_NEAR(xavier.variance, 2 / (e.fan_in + e.fan_out), 0.05 * xavier.variance);

    const Moments he = moments(initialized(network, Initialization::he, 1), *e.span);
    EXPECT_NEAR(he.variance, 2 / e.fan_in, 0.05 * he.variance);
    EXPECT_GT(he.largest, 3 * std::sqrt(he.variance)) << "a normal has tails";
  }
}

TEST(Initialize, StartsBiasesAsItsKindSaysAndPaddingAsZero) {
  const Network network = preset_network("wu-mnist");
  const ParameterSpan& bias = *network.layout().find("fc1.bias");
  EXPECT_EQ(moments(initialized(network, Initialization::he, 1), bias).largest, 0);
  EXPECT_EQ(moments(initialized(network, Initialization::xavier, 1), bias).largest, 0);
  // PyTorch draws biases from ±1/√fan_in, too.
  const Moments drawn = moments(initialized(network, Initialization::uniform_fan_in, 1), bias);
  EXPECT_GT(drawn.largest, 0.95 / std::sqrt(800.0));
  EXPECT_LE(drawn.largest, 1 / std::sqrt(800.0));

  std::vector<float> row = initialized(network, Initialization::uniform_fan_in, 1);
  for (const ParameterSpan& span : network.layout().spans()) {
    std::fill_n(row.begin() + span.offset, span.size, 0.0F);
  }
  EXPECT_EQ(std::count(row.begin(), row.end(), 0.0F), std::ssize(row));
}

TEST(Initialize, DrawsTheSameForASeedAndOtherwiseDiffers) {
  const Network network = preset_network("wu-mnist-small");
  const auto first = initialized(network, Initialization::uniform_fan_in, 1);
  EXPECT_EQ(first, initialized(network, Initialization::uniform_fan_in, 1));
  EXPECT_NE(first, initialized(network, Initialization::uniform_fan_in, 2));
  // Tensors have streams of their own: equal shapes do not get equal numbers.
  const Network twins({1, 2, 2}, 4, std::vector{dense(4), relu(), dense(4)});
  const auto row = initialized(twins, Initialization::uniform_fan_in, 1);
  const auto weights = [&](const char* name) {
    const ParameterSpan* span = twins.layout().find(name);
    return std::vector(row.begin() + span->offset, row.begin() + span->offset + span->size);
  };
  EXPECT_NE(weights("fc1.weight"), weights("fc2.weight"));
}

}  // namespace
}  // namespace redoubt::test
