// The table of engines of convolution: names, and which shapes an engine takes.
#include <gmock/gmock.h>

#include <set>

#include "kernels/conv/choices.h"

namespace redoubt::kernels {

namespace {

TEST(ConvEngines, HaveNamesOfTheirOwn) {
  std::set<std::string> names = {"automatic"};
  for (const ConvEngineEntry& entry : kConvEngines) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_STREQ(to_string(entry.engine), entry.name);
    EXPECT_EQ(&conv_engine_entry(entry.engine), &entry);
  }
}

TEST(ConvEngines, OfCudaAreThoseThatAnExperimentMayName) {
  for (const ConvEngineEntry& entry : kConvEngines) {
    const std::optional<ConvEngine> named = engine_named(entry.name);
    EXPECT_EQ(named.has_value(), entry.device == Device::Kind::cuda) << entry.name;
    if (named) {
      EXPECT_EQ(*named, entry.engine);
    }
  }
  EXPECT_STREQ(kConvEngineNames.front().first, "automatic");
  EXPECT_FALSE(engine_named("automatic").has_value());
}

TEST(ConvEngines, OfACpuTakeWhatAGpuCountsNoLonger) {
  const ConvShape small = {.batch = 64, .in_channels = 3, .height = 32, .width = 32};
  const ConvShape huge = {.batch = 1 << 11, .height = 1 << 10, .width = 1 << 10};
  for (const ConvEngineEntry& entry : kConvEngines) {
    EXPECT_TRUE(entry.supports(small)) << entry.name;
    EXPECT_EQ(entry.supports(huge), entry.device == Device::Kind::cpu) << entry.name;
  }
}

TEST(ConvEngines, RoundNoLessWhereTheyMayRoundMore) {
  for (const ConvEngineEntry& entry : kConvEngines) {
    EXPECT_GT(entry.rounding[0], 0) << entry.name;
    EXPECT_LE(entry.rounding[0], entry.rounding[1]) << entry.name;
    EXPECT_LE(entry.rounding[1], entry.rounding[2]) << entry.name;
  }
}

}  // namespace

}  // namespace redoubt::kernels
