// Pixel triggers: the patterns of Wu et al. 2020, Fig. 1, drawn by hand.
#include "datasets/trigger.h"

#include <algorithm>
#include <string>

#include "tests/support/expect_message.h"

namespace redoubt::test {

using testing::AllOf;
using testing::HasSubstr;

namespace {

constexpr Shape kGray = {1, 28, 28};

/// The 3x3 block around a trigger's place in channel `c`, with '#' for a stamped pixel.
std::string drawn(const Trigger& trigger, const Shape& shape, int row, int column, int c = 0) {
  std::string picture;
  for (int i = row - 1; i <= row + 1; ++i) {
    for (int j = column - 1; j <= column + 1; ++j) {
      const int offset = (c * shape.height + i) * shape.width + j;
      const auto hits = std::count_if(trigger.pixels.begin(), trigger.pixels.end(),
                                      [&](const auto& pixel) { return pixel.offset == offset; });
      picture += hits == 0 ? '.' : (hits == 1 ? '#' : '!');
    }
    picture += i <= row ? "/" : "";
  }
  return picture;
}

struct Pattern {
  int pixels;
  const char* picture;
};
constexpr Pattern kPatterns[] = {{1, ".../.#./..."},
                                 {3, "#../.#./..#"},
                                 {5, "#.#/.#./#.#"},
                                 {7, "#.#/###/#.#"},
                                 {9, "###/###/###"}};

TEST(TriggerEffect, CountsWhatATriggerChanges) {
  const Trigger trigger = pixel_trigger({.pixels = 3, .row = 1, .column = 1, .value = 200}, kGray);
  std::vector<std::uint8_t> dark(28 * 28, 10);
  std::vector<std::uint8_t> same = dark;
  for (const auto& pixel : trigger.pixels) same[pixel.offset] = 200;
  std::vector<std::uint8_t> near = same;
  near[trigger.pixels.front().offset] = 198;
  TriggerEffect effect;
  for (const auto& image : {dark, same, near}) effect.add(image, trigger.pixels);
  EXPECT_EQ(effect.images, 3);
  EXPECT_EQ(effect.changed, 2);
  EXPECT_EQ(effect.bytes, 4);
  EXPECT_EQ(effect.sum, 3 * 190 + 2);
  EXPECT_DOUBLE_EQ(effect.mean_change(), 572.0 / 4);
  EXPECT_EQ(TriggerEffect().mean_change(), 0);
}

}  // namespace

TEST(PixelTrigger, HasThePatternsOfThePaper) {
  for (const auto& [pixels, picture] : kPatterns) {
    const Trigger trigger =
        pixel_trigger({.pixels = pixels, .row = 5, .column = 20, .value = 200}, kGray);
    EXPECT_EQ(drawn(trigger, kGray, 5, 20), picture);
    EXPECT_EQ(std::ssize(trigger.pixels), pixels);
    for (const auto& pixel : trigger.pixels) EXPECT_EQ(pixel.value, 200);
  }
}

TEST(PixelTrigger, ContainsEverySmallerOne) {
  for (int pixels = 3; pixels <= 9; pixels += 2) {
    const Trigger small = pixel_trigger({.pixels = pixels - 2}, kGray);
    const Trigger large = pixel_trigger({.pixels = pixels}, kGray);
    for (const auto& pixel : small.pixels) EXPECT_THAT(large.pixels, testing::Contains(pixel));
  }
}

TEST(PixelTrigger, IsStampedIntoEveryChannel) {
  const Shape color = {3, 32, 30};
  const Trigger trigger = pixel_trigger({.pixels = 5, .row = 30, .column = 1}, color);
  EXPECT_EQ(trigger.pixels.size(), 15U);
  for (int c = 0; c < 3; ++c) EXPECT_EQ(drawn(trigger, color, 30, 1, c), "#.#/.#./#.#");
}

TEST(PixelTrigger, MayTouchTheBorderButNotCrossIt) {
  const auto at = [](int pixels, int row, int column) {
    return pixel_trigger({.pixels = pixels, .row = row, .column = column}, kGray);
  };
  EXPECT_EQ(at(1, 0, 0).pixels.front().offset, 0);
  EXPECT_EQ(at(1, 27, 27).pixels.front().offset, 28 * 28 - 1);
  EXPECT_EQ(at(9, 26, 1).pixels.size(), 9U);
  EXPECT_THAT(
      input_error([&] { at(1, 28, 3); }),
      AllOf(HasSubstr("attack.trigger"), HasSubstr("row 28, column 3"), HasSubstr("28x28")));
  EXPECT_THAT(input_error([&] { at(1, 3, -1); }), HasSubstr("row 3, column -1"));
  EXPECT_THAT(input_error([&] { at(3, 0, 5); }), HasSubstr("row -1, column 4"));
  EXPECT_THAT(input_error([&] { at(9, 27, 5); }), HasSubstr("row 28"));
  EXPECT_THAT(input_error([&] { at(3, 5, 27); }), HasSubstr("column 28"));
}

TEST(PixelTrigger, RejectsOtherNumbersOfPixelsAndValuesThatAreNoBytes) {
  for (const int pixels : {-1, 0, 2, 8, 11}) {
    EXPECT_THAT(input_error([&] { pixel_trigger({.pixels = pixels}, kGray); }),
                HasSubstr("attack.trigger.pixels is " + std::to_string(pixels) + ";"));
  }
  for (const int value : {-1, 256}) {
    EXPECT_THAT(input_error([&] { pixel_trigger({.value = value}, kGray); }),
                HasSubstr("attack.trigger.value is " + std::to_string(value) + ";"));
  }
}

TEST(TriggerTable, LaysTriggersEndToEnd) {
  TriggerTable table;
  EXPECT_EQ(table.count(), 0);
  EXPECT_EQ(table.add(pixel_trigger({.pixels = 3}, kGray)), 0);
  EXPECT_EQ(table.add(pixel_trigger({.pixels = 1, .row = 2, .column = 2}, kGray)), 1);
  EXPECT_EQ(table.start, (std::vector<std::int32_t>{0, 3, 4}));
  EXPECT_EQ(table.pixels.back().offset, 2 * 28 + 2);
}

}  // namespace redoubt::test
