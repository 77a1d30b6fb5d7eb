// The random numbers that every result hangs on.
#include "base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace redoubt::test {
namespace {

/// Random123's published known answers for philox4x32 of 10 rounds (its file kat_vectors): all bits
/// 0, all bits 1, digits of pi.
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(random_block({}, 0), (RandomBlock{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  const RandomKey ones = {.seed = ~0ULL,
                          .purpose = static_cast<Purpose>(0xff),
                          .client = 0xffffffff,
                          .round = 0xffffff,
                          .step = 0xffffff,
                          .part = 0xff};
  EXPECT_EQ(random_block(ones, 0xffffffff),
            (RandomBlock{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
  // Counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0.
  const RandomKey pi = {.seed = 0x299f31d0a4093822,
                        .purpose = static_cast<Purpose>(0x2e),
                        .client = 0x03707344,
                        .round = 0x13198a,
                        .step = 0x85a308,
                        .part = 0xd3};
  EXPECT_EQ(random_block(pi, 0x243f6a88),
            (RandomBlock{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
}

TEST(RandomStream, ReadsBlocksInOrderFromTheStart) {
  const RandomKey key = {.seed = 4, .purpose = Purpose::dropout, .client = 7};
  RandomStream stream(key);
  for (std::uint32_t index = 0; index < 3; ++index) {
    for (const std::uint32_t number : random_block(key, index)) EXPECT_EQ(stream(), number);
  }
}

TEST(RandomStream, DiffersInEveryFieldOfTheKey) {
  const RandomKey base = {.seed = 1, .purpose = Purpose::partition};
  std::vector<RandomKey> keys(7, base);
  keys[1].seed = 1ULL << 32;
  keys[2].purpose = Purpose::dropout;
  keys[3].client = 1;
  keys[4].round = 1;
  keys[5].step = 1;
  keys[6].part = 1;
  std::set<std::array<std::uint32_t, 4>> seen;
  for (const RandomKey& key : keys) {
    RandomStream stream(key);
    seen.insert({stream(), stream(), stream(), stream()});
  }
  EXPECT_EQ(seen.size(), keys.size());
}

/// 200,000 numbers: the mean of a uniform has a standard error of 0.00065, that of a normal
/// 0.0022; the bounds below are above four of them.
TEST(RandomStream, HasTheMomentsOfItsDistributions) {
  constexpr int kCount = 200000;
  RandomStream stream({.seed = 8});
  double uniform = 0;
  double uniform_squares = 0;
  double normal = 0;
  double normal_squares = 0;
  int beyond_two = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = stream.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform += u / kCount;
    uniform_squares += u * u / kCount;
    const double z = stream.normal();
    normal += z / kCount;
    normal_squares += z * z / kCount;
    beyond_two += std::abs(z) > 2 ? 1 : 0;
  }
  EXPECT_NEAR(uniform, 0.5, 0.003);
  EXPECT_NEAR(uniform_squares, 1.0 / 3, 0.003);
  EXPECT_NEAR(normal, 0, 0.01);
  EXPECT_NEAR(normal_squares, 1, 0.015);
  EXPECT_NEAR(static_cast<double>(beyond_two) / kCount, 0.0455, 0.002);
}

TEST(RandomStream, BelowGivesEachNumberEquallyOften) {
  constexpr int kCount = 60000;
  RandomStream stream({.seed = 2});
  std::vector<int> seen(6);
  for (int i = 0; i < kCount; ++i) {
    const std::uint32_t number = stream.below(6);
    ASSERT_LT(number, 6U);
    ++seen[number];
  }
  // A standard deviation is √(60000 · 1/6 · 5/6) = 91.
  for (const int times : seen) EXPECT_NEAR(times, kCount / 6, 400);
}

TEST(RandomStream, ShufflesToEveryOrderEquallyOften) {
  constexpr int kCount = 24000;
  std::map<std::vector<int>, int> seen;
  RandomStream stream({.seed = 3});
  for (int i = 0; i < kCount; ++i) {
    std::vector<int> order = {0, 1, 2, 3};
    stream.shuffle(std::span(order));
    ++seen[order];
  }
  ASSERT_EQ(seen.size(), 24U);
  for (const auto& [order, times] : seen) EXPECT_NEAR(times, 1000, 140);
}

}  // namespace
}  // namespace redoubt::test
