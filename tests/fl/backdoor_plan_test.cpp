// What each kind of backdoor asks of a data set.
#include <algorithm>
#include <set>

#include "datasets/synthetic.h"
#include "fl/attack/settings.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {
namespace {

using kernels::Sample;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Dataset gray() { return make_synthetic("gray", {1, 28, 28}, 300, 100, 2); }

/// Eight images of 2x2 in three channels; labels 0 and 1 in turn. Image i of the training split has
/// i % 5 green pixels, of the test split 4 - i % 5.
Dataset coloured() {
  Dataset dataset = {
      .name = "coloured", .shape = {3, 2, 2}, .classes = 2, .train = {}, .test = {}, .origin = ""};
  for (int i = 0; i < 8; ++i) {
    for (Split* split : {&dataset.train, &dataset.test}) {
      const int green = split == &dataset.train ? i % 5 : 4 - i % 5;
      for (int channel = 0; channel < 3; ++channel) {
        for (int p = 0; p < 4; ++p) {
          split->images.push_back(channel == 1 && p < green ? 90 : 80);
        }
      }
      split->labels.push_back(static_cast<std::uint8_t>(i % 2));
    }
  }
  return dataset;
}

Backdoor plan(const Dataset& dataset, const TriggerSettings& trigger, std::optional<int> victim,
              int target, TriggerTable& table, std::uint64_t seed = 1) {
  AttackSettings settings;
  settings.trigger = trigger;
  settings.victim = victim;
  settings.target = target;
  return plan_backdoor(settings, dataset, table, seed);
}

/// The pixels of a trigger as (row, column) of a 28x28 image.
std::set<std::pair<int, int>> pixels_of(const TriggerTable& table, int trigger) {
  std::set<std::pair<int, int>> pixels;
  const auto t = static_cast<std::size_t>(trigger);
  for (std::int32_t i = table.start[t]; i < table.start[t + 1]; ++i) {
    const int offset = table.pixels[i].offset;
    pixels.insert({offset / 28, offset % 28});
  }
  return pixels;
}

TEST(BlockTrigger, CoversItsBlocksInEveryChannel) {
  const std::vector<PixelBlock> blocks = {{.row = 0, .column = 1, .height = 1, .width = 2},
                                          {.row = 2, .column = 0, .height = 2, .width = 1}};
  const Trigger trigger = block_trigger(blocks, 7, {2, 4, 3});
  std::vector<int> offsets;
  for (const auto& pixel : trigger.pixels) {
    EXPECT_EQ(pixel.value, 7);
    offsets.push_back(pixel.offset);
  }
  std::sort(offsets.begin(), offsets.end());
  EXPECT_THAT(offsets, ElementsAre(1, 2, 6, 9, 13, 14, 18, 21));
}

TEST(BlockTrigger, RefusesWhatDoesNotFit) {
  const auto message = [](const PixelBlock& block) {
    return input_error([&] { block_trigger({&block, 1}, 255, {1, 28, 28}); });
  };
  EXPECT_THAT(message({.row = 26, .column = 0, .height = 3, .width = 1}),
              AllOf(HasSubstr("3x1 at row 26"), HasSubstr("28x28")));
  EXPECT_THAT(message({.row = 0, .column = 25, .height = 1, .width = 4}), HasSubstr("column 25"));
  EXPECT_THAT(input_error([] { block_trigger({}, 255, {1, 28, 28}); }), HasSubstr("no block"));
}

TEST(PatternBackdoor, StampsOneBlockAndIsMeasuredOnStampedVictims) {
  const Dataset dataset = gray();
  TriggerTable table;
  const Backdoor backdoor = plan(dataset, PatternTriggerSettings(), 5, 7, table);
  EXPECT_THAT(backdoor.stamps, ElementsAre(backdoor.goal.trigger));
  EXPECT_EQ(pixels_of(table, backdoor.goal.trigger).size(), 9U);
  EXPECT_TRUE(backdoor.images.empty());
  EXPECT_EQ(backdoor.evaluation, stamped_test_samples(dataset.test.labels, 300, backdoor.goal));
}

/// Xie et al. 2020: each part is stamped by another attacker, the whole is what is measured.
TEST(DistributedBackdoor, CutsTheTriggerIntoTheStripsOfItsAuthors) {
  EXPECT_EQ(distributed_parts({3, 32, 32}),
            (std::vector<PixelBlock>{{0, 0, 1, 6}, {0, 9, 1, 6}, {4, 0, 1, 6}, {4, 9, 1, 6}}));
  EXPECT_EQ(distributed_parts({1, 28, 28}),
            (std::vector<PixelBlock>{{0, 0, 1, 4}, {0, 6, 1, 4}, {3, 0, 1, 4}, {3, 6, 1, 4}}));
  TriggerTable table;
  const Backdoor backdoor = plan(gray(), DistributedTriggerSettings(), 9, 1, table);
  ASSERT_EQ(backdoor.stamps.size(), 4U);
  std::set<std::pair<int, int>> together;
  for (const int stamp : backdoor.stamps) {
    const auto part = pixels_of(table, stamp);
    EXPECT_EQ(part.size(), 4U);
    together.insert(part.begin(), part.end());
  }
  EXPECT_EQ(together, pixels_of(table, backdoor.goal.trigger));
  for (const Sample& sample : backdoor.evaluation) EXPECT_EQ(sample.trigger, backdoor.goal.trigger);
}

TEST(SemanticBackdoor, ChoosesTheVictimsImagesThatAreMostlyOfTheColour) {
  TriggerTable table;
  SemanticTriggerSettings settings;
  settings.share = 0.5;
  // Of label 1: training images 1, 3, 5, 7 with 1, 3, 0, 2 green pixels; test images with 3, 1,
  // 4, 2.
  const Backdoor backdoor = plan(coloured(), settings, 1, 0, table);
  EXPECT_THAT(backdoor.images, ElementsAre(3, 7));
  EXPECT_THAT(backdoor.evaluation,
              ElementsAre(Sample{9, -1, 0}, Sample{13, -1, 0}, Sample{15, -1, 0}));
  EXPECT_TRUE(backdoor.stamps.empty());
  settings.margin = 11;
  EXPECT_THAT(input_error([&] { plan(coloured(), settings, 1, 0, table); }),
              HasSubstr("0 training and 0 test images"));
  EXPECT_THAT(input_error([&] { plan(gray(), SemanticTriggerSettings(), 1, 0, table); }),
              HasSubstr("chooses by colour"));
}

/// A list that was made for another copy of the data set tells of itself.
TEST(SemanticBackdoor, RefusesListedImagesOfAnotherClass) {
  TriggerTable table;
  SemanticTriggerSettings settings;
  settings.images = {1, 2, 4};
  settings.test_images = {1, 3};
  EXPECT_THAT(input_error([&] { plan(coloured(), settings, 1, 0, table); }),
              AllOf(HasSubstr("attack.trigger.images lists 2 of class 0, 4 of class 0"),
                    HasSubstr("attack.victim is 1")));
  settings.images = {1, 3};
  settings.test_images = {0, 1};
  EXPECT_THAT(input_error([&] { plan(coloured(), settings, std::nullopt, 0, table); }),
              AllOf(HasSubstr("attack.trigger.test_images lists 0 of class 0"),
                    HasSubstr("the target, attack.target 0")));
}

/// A rate says little before it is known what the images are called anyway.
TEST(Backdoor, ComparesWithTheSameImagesUnstampedOrTheVictimsOthers) {
  TriggerTable table;
  const Backdoor stamped = plan(gray(), PixelTriggerSettings{.row = 4, .column = 4}, 5, 7, table);
  ASSERT_EQ(stamped.baseline.size(), stamped.evaluation.size());
  for (std::size_t i = 0; i < stamped.baseline.size(); ++i) {
    EXPECT_EQ(stamped.baseline[i], (Sample{stamped.evaluation[i].image, -1, 7}));
  }
  SemanticTriggerSettings semantic;
  semantic.images = {1};
  semantic.test_images = {1, 7};
  // Of label 1, test images 1, 3, 5 and 7, which follow 8 training images.
  EXPECT_THAT(plan(coloured(), semantic, 1, 0, table).baseline,
              ElementsAre(Sample{11, -1, 0}, Sample{13, -1, 0}));
}

TEST(SemanticBackdoor, TakesListedImages) {
  TriggerTable table;
  SemanticTriggerSettings settings;
  settings.images = {7, 3};
  settings.test_images = {1, 3};
  const Backdoor backdoor = plan(coloured(), settings, std::nullopt, 0, table);
  EXPECT_THAT(backdoor.images, ElementsAre(3, 7));
  EXPECT_THAT(backdoor.evaluation, ElementsAre(Sample{9, -1, 0}, Sample{11, -1, 0}));
  settings.images = {8};
  EXPECT_THAT(input_error([&] { plan(coloured(), settings, 1, 0, table); }),
              HasSubstr("attack.trigger.images lists 8; images go from 0 to 7"));
  settings.images = {2, 2};
  EXPECT_THAT(input_error([&] { plan(coloured(), settings, 1, 0, table); }), HasSubstr("2 twice"));
}

TEST(TargetedBackdoor, DrawsVictimsThatItIsMeasuredOn) {
  const Dataset dataset = gray();
  TriggerTable table;
  const Backdoor backdoor = plan(dataset, TargetedTriggerSettings{.samples = 12}, 5, 7, table);
  EXPECT_EQ(std::set<int>(backdoor.images.begin(), backdoor.images.end()).size(), 12U);
  ASSERT_EQ(backdoor.evaluation.size(), 12U);
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(dataset.train.labels[backdoor.images[i]], 5);
    EXPECT_EQ(backdoor.evaluation[i], (Sample{backdoor.images[i], -1, 7}));
  }
  EXPECT_EQ(plan(dataset, TargetedTriggerSettings{.samples = 12}, 5, 7, table).images,
            backdoor.images);
  EXPECT_NE(plan(dataset, TargetedTriggerSettings{.samples = 12}, 5, 7, table, 2).images,
            backdoor.images);
  EXPECT_THAT(
      input_error([&] { plan(dataset, TargetedTriggerSettings{.samples = 200}, 5, 7, table); }),
      HasSubstr("samples is 200; there are 30"));
}

}  // namespace
}  // namespace redoubt::test
