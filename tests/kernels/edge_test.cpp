// What the contracts promise beside the formulas: NaN is noticed, the first of equals wins, threads
// change nothing, broken contracts are named.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "engine/buffer.h"
#include "kernels/activation.h"
#include "kernels/columns.h"
#include "kernels/dropout.h"
#include "kernels/gather.h"
#include "kernels/loss.h"
#include "kernels/pool.h"
#include "kernels/rows.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Edge : public testing::TestWithParam<Device> {};

TEST_P(Edge, ReluLetsNanThroughSoThatItIsNoticed) {
  Context context(GetParam());
  Blocks<float> values(GetParam(), 1, 4, {}, {kNan, -1, 2, -kInfinity});
  kernels::relu_forward(context, {1, 1, 1, 4}, values.view(), {}, values.view());
  context.synchronize();
  const Values output = values.values();
  EXPECT_TRUE(std::isnan(output[0]));
  EXPECT_EQ(output[1], 0);
  EXPECT_EQ(output[2], 2);
  EXPECT_EQ(output[3], 0);
}

TEST_P(Edge, MaxPoolLetsNanWinWhereverItStands) {
  for (const bool relu : {false, true}) {
    for (std::size_t place = 0; place < 4; ++place) {
      for (const int batch : {1, 16}) {
        Values window(static_cast<std::size_t>(4 * batch), 1.0);
        window[place * static_cast<std::size_t>(batch)] = kNan;
        Context context(GetParam());
        Blocks<float> input(GetParam(), 1, 4 * batch, {}, window);
        Blocks<float> output(GetParam(), 1, batch, {});
        Blocks<std::uint8_t> winners(GetParam(), 1, batch, {});
        kernels::max_pool_forward(context, {1, 1, 2, 2, batch, 2, 2, relu}, input.view(), {},
                                  output.view(), winners.view());
        context.synchronize();
        const Values got = output.values();
        EXPECT_TRUE(std::isnan(got[0])) << "relu " << relu << ", place " << place;
        for (std::size_t n = 1; n < got.size(); ++n) EXPECT_EQ(got[n], 1);
      }
    }
  }
}

TEST_P(Edge, MaxPoolGivesTiesToTheFirstOfEquals) {
  for (const bool relu : {false, true}) {
    Context context(GetParam());
    // Four windows of one image: all equal; the last two equal; a tie on the diagonal; below zero.
    Blocks<float> input(GetParam(), 1, 16, {},
                        {3, 3, 0, 1,    //
                         3, 3, 5, 5,    //
                         1, 2, -4, -3,  //
                         2, 1, -2, -2});
    Blocks<float> output(GetParam(), 1, 4, {});
    Blocks<std::uint8_t> winners(GetParam(), 1, 4, {});
    Blocks<float> ones(GetParam(), 1, 4, {}, {1, 1, 1, 1});
    Blocks<float> gradient(GetParam(), 1, 16, {});
    const kernels::PoolShape shape = {1, 1, 4, 4, 1, 2, 2, relu};
    kernels::max_pool_forward(context, shape, input.view(), {}, output.view(), winners.view());
    kernels::max_pool_backward(context, shape, output.view(), winners.view(), ones.view(),
                               gradient.view());
    context.synchronize();
    EXPECT_THAT(output.values(), ElementsAre(3, 5, 2, relu ? 0 : -2));
    EXPECT_THAT(winners.values(), ElementsAre(0, 2, 1, 2));
    const double negative = relu ? 0 : 1;
    EXPECT_THAT(gradient.values(), ElementsAre(1, 0, 0, 0,  //
                                               0, 0, 1, 0,  //
                                               0, 1, 0, 0,  //
                                               0, 0, negative, 0));
  }
}

TEST_P(Edge, AnImageWithANanLogitIsNotCorrect) {
  Context context(GetParam());
  Blocks<float> logits(GetParam(), 1, 6, {}, {kNan, 5, 5, 1, 5, 1});
  Blocks<std::int32_t> labels(GetParam(), 1, 3, {}, {0, 0, 0});
  Buffer<kernels::LossTotals> sums(GetParam(), 1);
  kernels::softmax_cross_entropy(context, {1, 2, 3}, logits.view(), labels.view(), {}, sums.data());
  context.synchronize();
  const kernels::LossTotals totals = sums.download().front();
  EXPECT_TRUE(std::isnan(totals.loss));
  EXPECT_EQ(totals.correct, 2) << "the second image's tie goes to the first class";
  EXPECT_EQ(totals.count, 3);
}

TEST_P(Edge, LargeLogitsNeitherOverflowNorLoseTheLoss) {
  Context context(GetParam());
  Blocks<float> logits(GetParam(), 1, 2, {}, {1000, -1000});
  Blocks<std::int32_t> labels(GetParam(), 1, 1, {}, {1});
  Blocks<float> gradient(GetParam(), 1, 2, {});
  Buffer<kernels::LossTotals> sums(GetParam(), 1);
  kernels::softmax_cross_entropy(context, {1, 2, 1}, logits.view(), labels.view(), gradient.view(),
                                 sums.data());
  context.synchronize();
  const kernels::LossTotals totals = sums.download().front();
  EXPECT_NEAR(totals.loss, 2000, 1e-9);
  EXPECT_THAT(gradient.values(), ElementsAre(1, -1));
}

TEST_P(Edge, DropoutKeepsItsShareAndItsMean) {
  constexpr std::int64_t kCount = 100000;
  Context context(GetParam());
  Blocks<float> values(GetParam(), 1, kCount, {}, Values(kCount, 1.0));
  const Buffer<RandomKey> key(GetParam(), std::vector<RandomKey>{{1, Purpose::dropout, 0, 1, 1}});
  kernels::dropout(context, {1, kCount, 0.25F, 0}, key.data(), values.view(), values.view());
  context.synchronize();
  std::int64_t dropped = 0;
  for (const double value : values.values()) dropped += value == 0 ? 1 : 0;
  // Binomial: deviation √(n p q) = 137; five of them.
  EXPECT_NEAR(static_cast<double>(dropped), 0.25 * kCount, 5 * 137);
}

TEST_P(Edge, FiniteRowsFindsASingleNanOrInfinity) {
  constexpr std::int64_t kColumns = 5003;
  Values matrix(3 * kColumns, 1e30);
  matrix[kColumns + 5002] = kNan;
  matrix[2 * kColumns] = -kInfinity;
  Context context(GetParam());
  Blocks<float> rows(GetParam(), 3, kColumns, {1}, matrix);
  std::vector<std::uint8_t> finite(3);
  kernels::finite_rows(context, {3, kColumns}, rows.view(), finite);
  EXPECT_THAT(finite, ElementsAre(1, 0, 0));
}

TEST_P(Edge, TheMeanNearTheMedianStaysAmongTheRowsWhereDistancesOverflow) {
  const std::vector<float> column = {2e38F, -2e38F, 2e38F, -2e38F, 2e38F, -2e38F,
                                     2e38F, -2e38F, 2e38F, -2e38F, -2e38F};
  Context context(GetParam());
  Buffer<float> matrix(GetParam(), std::span<const float>(column));
  Buffer<float> mean(GetParam(), 1);
  kernels::mean_near_median_columns(context, {11, 1}, 7, {matrix.data(), 1}, mean.data());
  context.synchronize();
  // Six at the median, and one of those above it.
  EXPECT_FLOAT_EQ(mean.download()[0] / 1e38F, (6 * -2.0F + 2) / 7);
}

/// El Mhamdi et al. name no order of equals, so none may decide.
TEST_P(Edge, TheMeanNearTheMedianTurnsWithItsColumn) {
  const std::vector<std::vector<float>> columns = {{0, 1, 2, 5, 7, 8},
                                                   {-1, -1, 0, 1},
                                                   {-2, -1, 1, 2},
                                                   {3, 1, 2, 5, 1, 1, 9},
                                                   {0, 1, 2, 5, 7, 8, 10, 11, 12, 30}};
  for (const std::vector<float>& column : columns) {
    const auto rows = static_cast<int>(column.size());
    for (int keep = 1; keep <= rows; ++keep) {
      std::vector<float> means;
      for (const float sign : {1.0F, -1.0F}) {
        std::vector<float> own = column;
        for (float& value : own) value *= sign;
        Context context(GetParam());
        Buffer<float> matrix(GetParam(), std::span<const float>(own));
        Buffer<float> mean(GetParam(), 1);
        kernels::mean_near_median_columns(context, {rows, 1}, keep, {matrix.data(), 1},
                                          mean.data());
        context.synchronize();
        means.push_back(mean.download()[0]);
      }
      EXPECT_EQ(means[0], -means[1]) << keep << " of " << rows;
    }
  }
}

TEST_P(Edge, AddingRowsInWavesGivesTheSameBitsAsAtOnce) {
  constexpr std::int64_t kColumns = 3001;
  const Values matrix = random_values(61, 7 * kColumns);
  const std::vector<double> weights = random_values(62, 7, 0, 1);
  const auto sum_in_waves = [&](int wave) {
    Context context(GetParam(), 2);
    Blocks<float> rows(GetParam(), 7, kColumns, {1}, matrix);
    Blocks<double> sum(GetParam(), 1, kColumns, {}, Values(kColumns, 0.0));
    for (int first = 0; first < 7; first += wave) {
      const int count = std::min(wave, 7 - first);
      kernels::add_weighted_rows(context, {count, kColumns},
                                 std::span(weights).subspan(first, count), rows.view().from(first),
                                 sum.view().data);
    }
    context.synchronize();
    return sum.values();
  };
  const Values at_once = sum_in_waves(7);
  for (const int wave : {1, 2, 3}) EXPECT_EQ(sum_in_waves(wave), at_once) << "wave " << wave;
}

std::string device_name(const testing::TestParamInfo<Device>& info) {
  std::string name = to_string(info.param);
  std::replace(name.begin(), name.end(), ':', '_');
  return name;
}

std::vector<Device> devices() {
  std::vector<Device> all;
  for (const DeviceDescription& entry : available_devices()) all.push_back(entry.device);
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Edge, testing::ValuesIn(devices()), device_name);

TEST(CpuOnly, SumsOverColumnsDoNotDependOnTheThreads) {
  constexpr std::int64_t kColumns = 9001;
  const Device cpu;
  const Values matrix = random_values(63, 5 * kColumns);
  Blocks<float> rows(cpu, 5, kColumns, {1}, matrix);
  const auto sums = [&](int threads) {
    Context context(cpu, threads);
    Values norms(5);
    Values gram(25);
    kernels::squared_norms(context, {5, kColumns}, rows.view(), norms);
    kernels::gram(context, {5, kColumns}, rows.view(), gram);
    norms.insert(norms.end(), gram.begin(), gram.end());
    return norms;
  };
  const Values one = sums(1);
  for (const int threads : {2, 3, 5}) EXPECT_EQ(sums(threads), one) << threads << " threads";
}

TEST(CpuOnly, GatherNamesASampleThatIsNotThere) {
  const Device cpu;
  Context context(cpu);
  const std::vector<std::uint8_t> image = {0};
  const float zero = 0;
  const float one = 1;
  const kernels::ImageSource source = {image.data(), 1, 1, 1, 1, &zero, &one, nullptr, nullptr, 0};
  Blocks<float> output(cpu, 1, 1, {});
  Blocks<std::int32_t> labels(cpu, 1, 1, {});
  for (const kernels::Sample sample : {kernels::Sample{1, -1, 0}, kernels::Sample{0, 0, 0}}) {
    EXPECT_THROW(kernels::gather(context, source, 1, 1, {&sample, 1}, output.view(), labels.view()),
                 std::logic_error);
  }
}

TEST(ParallelFor, HandsOutEveryIndexOnceAndPassesOnTheFirstException) {
  for (const int threads : {1, 2, 4}) {
    std::vector<int> seen(100, 0);
    parallel_for(100, threads, [&](int index, int worker) {
      EXPECT_GE(worker, 0);
      EXPECT_LT(worker, threads);
      ++seen[index];
    });
    EXPECT_THAT(seen, testing::Each(1));
    EXPECT_THROW(parallel_for(100, threads,
                              [](int index, int) {
                                if (index == 50) throw InputError("fifty");
                              }),
                 InputError);
  }
}

}  // namespace

}  // namespace redoubt::test
