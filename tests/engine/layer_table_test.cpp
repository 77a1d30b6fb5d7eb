// Networks from layer lists: what is wrong with one is said in one message.
#include "engine/layer_spec.h"
#include "engine/network.h"
#include "tests/engine/network_cases.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(LayerTable, SuggestsTheNearestKindForAnUnknownOne) {
  EXPECT_THAT(input_error([] {
                complete({"max_pol", {}});
              }),
              AllOf(HasSubstr("max_pol"), HasSubstr("did you mean \"max_pool\"")));
  EXPECT_THAT(input_error([] {
                complete({"attention", {}});
              }),
              AllOf(HasSubstr("attention"), HasSubstr("conv"), HasSubstr("dense")));
}

TEST(LayerTable, NamesWrongArgumentsAndWhatIsAllowed) {
  EXPECT_THAT(input_error([] {
                complete({"conv", {{"channels", 4}, {"kernal", 3}}});
              }),
              AllOf(HasSubstr("conv"), HasSubstr("kernel")));
  EXPECT_THAT(input_error([] {
                complete({"conv", {{"channels", 4}, {"kernel", 3}, {"strides", 2}}});
              }),
              AllOf(HasSubstr("strides"), HasSubstr("did you mean \"stride\"")));
  EXPECT_THAT(input_error([] {
                complete({"dense", {}});
              }),
              AllOf(HasSubstr("dense"), HasSubstr("needs units")));
  EXPECT_THAT(input_error([] {
                complete({"dense", {{"units", 2.5}}});
              }),
              AllOf(HasSubstr("dense.units is 2.5"), HasSubstr("whole"), HasSubstr("from 1 to ")));
  EXPECT_THAT(input_error([] {
                complete({"dropout", {{"rate", 1}}});
              }),
              AllOf(HasSubstr("dropout.rate is 1;"), HasSubstr("from 0 to 0.99")));
  EXPECT_THAT(input_error([] {
                complete({"max_pool", {{"window", 16}}});
              }),
              HasSubstr("max_pool.window is 16"));
  EXPECT_THAT(input_error([] { complete({"relu", {{"slope", 0.1}}}); }), HasSubstr("slope"));
  EXPECT_THAT(input_error([] { complete({"dense", {{"units", NAN}}}); }), HasSubstr("dense.units"));
}

TEST(LayerTable, FillsInWhatIsNotGiven) {
  const LayerSpec filled = complete({"conv", {{"channels", 4}, {"kernel", 3}}});
  EXPECT_EQ(filled.arguments.at("stride"), 1);
  EXPECT_EQ(filled.arguments.at("padding"), 0);
  EXPECT_EQ(complete(filled), filled);
}

std::string build_error(const Shape& input, int classes, const std::vector<LayerSpec>& layers) {
  return input_error([&] { const Network network(input, classes, layers); });
}

TEST(Network, NamesTheLayerThatCannotTakeItsInput) {
  const Shape input = {1, 6, 6};
  EXPECT_THAT(build_error(input, 3, {conv(2, 3), relu(), conv(2, 5), dense(3)}),
              AllOf(HasSubstr("layer 3"), HasSubstr("kernel of 5"), HasSubstr("2x4x4")));
  EXPECT_THAT(build_error(input, 3, {conv(2, 5), relu(), pool("max_pool", 3), dense(3)}),
              AllOf(HasSubstr("layer 3"), HasSubstr("window of 3"), HasSubstr("2x2x2")));
  EXPECT_THAT(build_error(input, 3, {pool("average_pool", 7), dense(3)}), HasSubstr("layer 1"));
  EXPECT_THAT(build_error(input, 3, {dense(4)}), AllOf(HasSubstr("4x1x1"), HasSubstr("3 classes")));
  EXPECT_THAT(build_error(input, 3, {}), HasSubstr("no layers"));
  EXPECT_THAT(build_error({3, 1, 1}, 3, {relu()}), HasSubstr("no layer has parameters"));
  // With padding the same kernel fits.
  EXPECT_NO_THROW(Network(input, 3, std::vector{conv(2, 3), relu(), conv(2, 5, 1, 1), dense(3)}));
}

TEST(Network, NamesTheTensorThatWouldBeThereTwice) {
  const std::vector<LayerSpec> layers = {{"conv", {{"channels", 4}, {"kernel", 3}}, "conv2"},
                                         {"relu", {}},
                                         {"conv", {{"channels", 4}, {"kernel", 3}}},
                                         {"relu", {}},
                                         {"dense", {{"units", 10}}}};
  EXPECT_THAT(input_error([&] {
                Network({1, 12, 12}, 10, layers);
              }),
              HasSubstr("layer 3: two tensors are called conv2.weight"));
}

TEST(Network, ChecksAReluThatPoolingTakesOver) {
  const std::vector<LayerSpec> layers = {{"conv", {{"channels", 4}, {"kernel", 3}}},
                                         {"relu", {{"slope", 3}}},
                                         {"max_pool", {{"window", 2}}},
                                         {"dense", {{"units", 10}}}};
  EXPECT_THAT(input_error([&] { Network({1, 12, 12}, 10, layers); }), HasSubstr("slope"));
}

TEST(Network, EndsInAReluOnlyWithAsManyOutputsAsClasses) {
  // A trailing ReLU before a max pooling that never comes is an ordinary layer.
  const Network network({1, 4, 4}, 3, std::vector{dense(3), relu()});
  EXPECT_EQ(network.layer_count(), 2);
}

TEST(Preset, SuggestsTheNearestName) {
  EXPECT_THAT(input_error([] { preset("wu-minst"); }), HasSubstr("did you mean \"wu-mnist\""));
}

}  // namespace
}  // namespace redoubt::test
