// Layers in a file: what is read from each of their forms, and what is wrong with one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/layer_spec.h"
#include "experiments/file/reader.h"
#include "experiments/file/writer.h"
#include "tests/support/expect_message.h"

namespace redoubt::experiments {
namespace {

using test::input_error;
using testing::AllOf;
using testing::HasSubstr;

template <class T = LayerSpec>
T layer(const std::string& yaml) {
  const SpecSource source = {.name = "file", .overrides = {}};
  T value;
  read({YAML::Load(yaml), "", source}, value, {});
  return value;
}

std::string error(const std::string& yaml) {
  return input_error([&] { layer(yaml); });
}

std::string written(const LayerSpec& spec) {
  YAML::Emitter emitter;
  Writer(emitter).write(spec);
  return emitter.c_str();
}

TEST(Layer, IsReadFromItsNameItsFirstKeyOrAMapOfKeys) {
  EXPECT_EQ(layer("relu"), LayerSpec(Relu::Settings()));
  EXPECT_EQ(layer("{max_pool: 2}"), LayerSpec(MaxPool::Settings{.window = 2}));
  EXPECT_EQ(layer("{conv: {channels: 20, kernel: 5, bias: 0, name: stem}}"),
            LayerSpec(Conv::Settings{.channels = 20, .kernel = 5, .bias = 0}, "stem"));
  EXPECT_EQ(layer("{batch_norm: {name: bn7}}"), LayerSpec(BatchNorm::Settings(), "bn7"));
  const Conv::Settings conv = {.channels = 4, .kernel = 3};
  const Residual::Settings residual = {.body = {conv, Relu::Settings()}, .shortcut = {conv}};
  EXPECT_EQ(layer("residual: {body: [{conv: {channels: 4, kernel: 3}}, relu], "
                  "shortcut: [{conv: {channels: 4, kernel: 3}}]}"),
            LayerSpec(residual));
}

TEST(Layer, IsWrittenWithItsDefaultsAndReadsBackToTheSame) {
  EXPECT_EQ(written(Relu::Settings()), "relu");
  EXPECT_EQ(written({Conv::Settings{.channels = 4, .kernel = 3}, "a"}),
            "{conv: {channels: 4, kernel: 3, stride: 1, padding: 0, bias: 1, name: a}}");
  const Residual::Settings residual = {
      .body = {{Conv::Settings{.channels = 4, .kernel = 3}, "b"}, Dropout::Settings{.rate = 0.99}},
      .shortcut = {}};
  EXPECT_EQ(layer(written(residual)), LayerSpec(residual));
}

TEST(Layer, SuggestsTheNearestNameForAnUnknownOne) {
  EXPECT_THAT(error("max_pol"),
              AllOf(HasSubstr("max_pol"), HasSubstr("did you mean \"max_pool\"")));
  EXPECT_THAT(error("{attention: 3}"),
              AllOf(HasSubstr("attention"), HasSubstr("conv"), HasSubstr("dense")));
}

TEST(Layer, NamesWrongKeysAndWhatIsAllowed) {
  EXPECT_THAT(error("{conv: {channels: 4, kernal: 3}}"),
              AllOf(HasSubstr("conv.kernal"), HasSubstr("did you mean \"kernel\"")));
  EXPECT_THAT(error("{conv: {channels: 4, kernel: 3, strides: 2}}"),
              AllOf(HasSubstr("strides"), HasSubstr("did you mean \"stride\"")));
  EXPECT_THAT(error("dense"), HasSubstr("no units, which has to be given"));
  EXPECT_THAT(error("{dense: {}}"), AllOf(HasSubstr("dense"), HasSubstr("no units")));
  EXPECT_THAT(error("{dense: 2.5}"), AllOf(HasSubstr("dense: found \"2.5\""), HasSubstr("whole"),
                                           HasSubstr("from 1 to ")));
  EXPECT_THAT(error("{dropout: 1}"),
              AllOf(HasSubstr("dropout: found \"1\""), HasSubstr("from 0 to 0.99")));
  EXPECT_THAT(error("{max_pool: {window: 16}}"), HasSubstr("max_pool.window: found \"16\""));
  EXPECT_THAT(error("{relu: {slope: 0.1}}"), HasSubstr("slope"));
  EXPECT_THAT(error("{dense: .nan}"), HasSubstr("dense: found \".nan\""));
}

TEST(Layer, IsCheckedAlsoWhereItIsAReluThatPoolingTakesOver) {
  EXPECT_THAT(input_error([] {
                layer<std::vector<LayerSpec>>(
                    "[{conv: {channels: 4, kernel: 3}}, {relu: {slope: 3}}, {max_pool: 2}]");
              }),
              HasSubstr("slope"));
}

}  // namespace
}  // namespace redoubt::experiments
