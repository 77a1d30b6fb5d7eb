// Networks from lists of layers: what is wrong with one is said in one message, and whose channels
// a ReLU silences.
#include "engine/network.h"

#include <cmath>
#include <set>
#include <stdexcept>
#include <variant>

#include "engine/presets.h"
#include "tests/engine/network_cases.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string build_error(const Shape& input, int classes, const std::vector<LayerSpec>& layers) {
  return input_error([&] { const Network network(input, classes, layers); });
}

TEST(Network, NamesTheLayerThatCannotTakeItsInput) {
  const Shape input = {1, 6, 6};
  EXPECT_THAT(build_error(input, 3, {conv(2, 3), relu(), conv(2, 5), dense(3)}),
              AllOf(HasSubstr("layer 3"), HasSubstr("kernel of 5"), HasSubstr("2x4x4")));
  EXPECT_THAT(build_error(input, 3, {conv(2, 5), relu(), max_pool(3), dense(3)}),
              AllOf(HasSubstr("layer 3"), HasSubstr("window of 3"), HasSubstr("2x2x2")));
  EXPECT_THAT(build_error(input, 3, {average_pool(7), dense(3)}), HasSubstr("layer 1"));
  EXPECT_THAT(build_error(input, 3, {dense(4)}), AllOf(HasSubstr("4x1x1"), HasSubstr("3 classes")));
  EXPECT_THAT(build_error(input, 3, {}), HasSubstr("no layers"));
  EXPECT_THAT(build_error({3, 1, 1}, 3, {relu()}), HasSubstr("no layer has parameters"));
  // With padding the same kernel fits.
  EXPECT_NO_THROW(Network(input, 3, std::vector{conv(2, 3), relu(), conv(2, 5, 1, 1), dense(3)}));
}

TEST(Network, NamesTheNumberThatALayersKeyDoesNotAllow) {
  const auto error = [](const LayerSpec& layer) {
    return build_error({1, 20, 20}, 3, {layer, dense(3)});
  };
  EXPECT_THAT(error(Dense::Settings()),
              AllOf(HasSubstr("layer 1: dense.units is 0; it must be a whole number from 1 to ")));
  EXPECT_THAT(error(Conv::Settings{.channels = 4}), HasSubstr("conv.kernel is 0"));
  EXPECT_THAT(error(conv(4, 3, 65)), HasSubstr("conv.stride is 65"));
  EXPECT_THAT(error(dropout(1)), AllOf(HasSubstr("dropout.rate is 1;"), HasSubstr("0 to 0.99")));
  EXPECT_THAT(error(dropout(NAN)), HasSubstr("dropout.rate is nan"));
  EXPECT_THAT(error(max_pool(16)), HasSubstr("max_pool.window is 16"));
  EXPECT_THAT(error(residual({conv(1, 3, 1, 64)})), HasSubstr("layer 1: conv.padding is 64"));
}

TEST(Network, NamesTheTensorThatWouldBeThereTwice) {
  const std::vector<LayerSpec> layers = {
      {Conv::Settings{.channels = 4, .kernel = 3}, "conv2"}, relu(), conv(4, 3), relu(), dense(10)};
  EXPECT_THAT(input_error([&] {
                Network({1, 12, 12}, 10, layers);
              }),
              HasSubstr("layer 3: two tensors are called conv2.weight"));
}

TEST(Network, RefusesAResidualWithoutABodyWithBranchesOfTwoShapesOrWithANameOfItsOwn) {
  const Shape input = {2, 6, 6};
  EXPECT_THAT(build_error(input, 3, {residual({}), dense(3)}),
              HasSubstr("layer 1: residual: its body has no layers"));
  EXPECT_THAT(
      build_error(input, 3,
                  {{Residual::Settings{.body = {conv(2, 1)}, .shortcut = {}}, "block"}, dense(3)}),
      HasSubstr("layer 1: residual has no tensors to be named"));
  EXPECT_THAT(build_error(input, 3, {residual({conv(2, 3)}), dense(3)}),
              HasSubstr("its body gives 2x4x4, its shortcut 2x6x6"));
}

TEST(Network, EndsInAReluOnlyWithAsManyOutputsAsClasses) {
  // A trailing ReLU before a max pooling that never comes is an ordinary layer.
  const Network network({1, 4, 4}, 3, std::vector{dense(3), relu()});
  EXPECT_EQ(network.layer_count(), 2);
}

TEST(Layers, StandEachInANetworkOfTheTests) {
  std::set<std::string> seen;
  const auto look = [&](const auto& self, const std::vector<LayerSpec>& layers) -> void {
    for (const LayerSpec& spec : layers) {
      seen.insert(Layers::name_of(spec.layer));
      if (const auto* residual = std::get_if<Residual::Settings>(&spec.layer)) {
        self(self, residual->body);
        self(self, residual->shortcut);
      }
    }
  };
  for (const NetworkCase& each : network_cases()) look(look, each.layers);
  for (const Alternative& layer : Layers::table()) {
    EXPECT_TRUE(seen.contains(layer.name)) << layer.name;
    EXPECT_NE(layer.description, "");
  }
}

/// The names of the conv and dense layers whose channels a ReLU can silence.
std::vector<std::string> silenced(const std::vector<LayerSpec>& layers) {
  const Network network({2, 8, 8}, 3, layers);
  std::vector<std::string> names;
  for (const ChannelSpan& span : network.layout().channels()) {
    names.push_back(span.name + (span.norm.empty() ? "" : " " + span.norm));
  }
  return names;
}

TEST(Channels, AreSilencedByTheFirstReluBehindThem) {
  EXPECT_THAT(silenced({conv(4, 3), relu(), relu(), dense(3)}), ElementsAre("conv1"));
  EXPECT_THAT(silenced({conv(4, 3), batch_norm(), dropout(0.5), average_pool(2), relu(), dense(3)}),
              ElementsAre("conv1 bn1"));
  EXPECT_THAT(silenced({conv(4, 3), relu(), max_pool(2), dense(5), relu(), dense(3)}),
              ElementsAre("conv1", "fc1"));
  EXPECT_THAT(silenced({relu(), batch_norm(), relu(), dense(3)}), ElementsAre());
  EXPECT_THAT(silenced({conv(4, 3), batch_norm(), conv(4, 3), relu(), dense(3)}),
              ElementsAre("conv2"));
}

TEST(Channels, OfAResidualsInputAndOutputAreNobodysToSilence) {
  EXPECT_THAT(silenced({conv(4, 3), residual({relu(), conv(4, 3, 1, 1)}), relu(), dense(3)}),
              ElementsAre());
  EXPECT_THAT(silenced({conv(4, 3), residual({conv(4, 1), relu(), conv(4, 1)}), relu(), dense(3)}),
              ElementsAre("conv2"));
}

/// A layer as one outside of the list is, which says nothing of itself.
class Plain : public Layer {
 public:
  static constexpr const char* kName = "plain";
  struct Settings {
    int channels = 0;
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("channels", s.channels, "that come out", between(1, 9));
    }
  };
  Plain(const Settings& settings, LayerBuilder& builder)
      : Layer({settings.channels, builder.input().height, builder.input().width}) {}

  void forward(const Pass& /*pass*/, kernels::Replicas<const float> /*input*/,
               kernels::Replicas<float> /*output*/,
               kernels::Replicas<std::uint8_t> /*state*/) const override {}
  void backward(const Pass& /*pass*/, const LayerValues& /*values*/) const override {}
};

/// One with a tensor.
class Scaled : public Plain {
 public:
  static constexpr const char* kName = "scaled";
  Scaled(const Settings& settings, LayerBuilder& builder) : Plain(settings, builder) {
    builder.add({.name = "slope", .shape = {settings.channels}});
  }
};

/// Those that promise more than they keep.
class Keeps : public Plain {
 public:
  using Plain::Plain;
  static constexpr Channels kChannels = Channels::kept;
};
class Makes : public Plain {
 public:
  using Plain::Plain;
  static constexpr Channels kChannels = Channels::made;
};

TEST(NetworkBuilder, LetsNoReluSilenceChannelsThroughALayerThatSaysNothingOfThem) {
  NetworkBuilder builder({2, 8, 8});
  builder.append<Conv>({.channels = 4, .kernel = 3});
  builder.append<Plain>({.channels = 4});
  builder.append<Relu>({});
  builder.append<Dense>({.units = 3});
  const Network network(std::move(builder), 3);
  EXPECT_TRUE(network.layout().channels().empty());
  EXPECT_EQ(network.layer_count(), 4);
}

TEST(NetworkBuilder, NamesTensorsByTheLayersNameAndCountsThoseThatHaveSome) {
  NetworkBuilder builder({2, 8, 8});
  builder.append<Plain>({.channels = 2});
  builder.append<Scaled>({.channels = 2});
  builder.append<Scaled>({.channels = 2}, "own");
  builder.append<Scaled>({.channels = 2});
  builder.append<Dense>({.units = 3});
  const Network network(std::move(builder), 3);
  std::vector<std::string> names;
  for (const ParameterSpan& span : network.layout().spans()) names.push_back(span.name);
  EXPECT_THAT(names,
              ElementsAre("scaled1.slope", "own.slope", "scaled3.slope", "fc1.weight", "fc1.bias"));
}

TEST(NetworkBuilder, FindsALayerThatDoesNotKeepWhatItSays) {
  NetworkBuilder builder({2, 8, 8});
  EXPECT_NO_THROW(builder.append<Keeps>({.channels = 2}));
  EXPECT_THROW(builder.append<Keeps>({.channels = 3}), std::logic_error);
  EXPECT_THROW(builder.append<Makes>({.channels = 3}), std::logic_error);
  EXPECT_THAT(input_error([&] { builder.append<Plain>({.channels = 10}); }),
              HasSubstr("plain.channels is 10"));
}

TEST(Preset, SuggestsTheNearestName) {
  EXPECT_THAT(input_error([] { preset("wu-minst"); }), HasSubstr("did you mean \"wu-mnist\""));
}

}  // namespace
}  // namespace redoubt::test
