// What the table of operation cases does not reach on a GPU: rows, channels and batches long enough
// to be cut into several blocks, against the CPU.
#include <functional>
#include <numeric>
#include <string>

#include "kernels/activation.h"
#include "kernels/bias.h"
#include "kernels/columns.h"
#include "kernels/dropout.h"
#include "kernels/gather.h"
#include "kernels/loss.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/rows.h"
#include "kernels/terms.h"
#include "kernels/update.h"
#include "kernels/weights.h"
#include "tests/kernels/cpu_and_cuda.h"

namespace redoubt::kernels {

namespace {

TEST(Recording, OfChannelsOfSeveralBlocksAgreesWithTheCpu) {
  Context cpu((Device()));
  Context cuda(kGpu);
  // 9,100 and 9,240 values a channel: three chunks, the last one short.
  for (const int batch : {7, 8}) {
    const ActivationShape shape = {.replicas = 3, .channels = 2, .positions = 1300, .batch = batch};
    Pair values(random_floats(5, shape.size() * 3));
    const std::vector<int> valid = {batch, batch - 2, 0};
    const std::vector<float> mask = {1, 0, 1, 1, 1, 1};
    std::vector<std::vector<double>> records;
    for (Context* context : {&cpu, &cuda}) {
      const Buffer<float> masks(context->device(), std::span(mask));
      const Buffer<int> counts(context->device(), std::span(valid));
      Buffer<double> record(context->device(), 6);
      Buffer<float>& data = context == &cpu ? values.cpu : values.cuda;
      for (int pass = 0; pass < 2; ++pass) {
        relu_forward(
            *context, shape, data.replicas(shape.size()),
            {.mask = masks.replicas(2), .record = record.replicas(2), .valid = counts.data()},
            data.replicas(shape.size()));
      }
      records.push_back(record.download());
    }
    values.compare(0);
    for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(records[1][i], records[0][i], 1e-9);
    EXPECT_EQ(records[1][1], 0);
    EXPECT_GT(records[1][0], 0);
  }
}

/// [rows x rows] by plain loops.
std::vector<double> products_in_double(const MatrixShape& shape, const std::vector<float>& matrix) {
  std::vector<double> products;
  const auto row = [&](int r) { return matrix.data() + r * shape.columns; };
  for (int i = 0; i < shape.rows; ++i) {
    for (int j = 0; j < shape.rows; ++j) {
      products.push_back(std::inner_product(row(i), row(i) + shape.columns, row(j), 0.0,
                                            std::plus<>(),
                                            [](double a, double b) { return a * b; }));
    }
  }
  return products;
}

TEST(Rows, OfSeveralBlocksAndGroupsAgreeWithTheCpu) {
  Context cpu((Device()));
  Context cuda(kGpu);
  for (const MatrixShape shape :
       {MatrixShape{300, 40}, MatrixShape{70, 5003}, MatrixShape{3, 9000}, MatrixShape{10, 9004},
        MatrixShape{20, 3003}, MatrixShape{50, 2600}}) {
    SCOPED_TRACE(std::to_string(shape.rows) + " x " + std::to_string(shape.columns));
    Pair matrix(random_floats(6, shape.rows * shape.columns));
    const std::vector<float> factors = random_floats(7, shape.rows);
    const std::vector<double> weights(factors.begin(), factors.end());
    const auto rows = static_cast<std::size_t>(shape.rows);
    std::vector<std::vector<double>> norms, grams, sums;
    std::vector<double> plain_gram;
    Pair mean(std::vector<float>(shape.columns));
    for (Context* context : {&cpu, &cuda}) {
      Buffer<float>& data = context == &cpu ? matrix.cpu : matrix.cuda;
      Buffer<float>& output = context == &cpu ? mean.cpu : mean.cuda;
      const Replicas<float> view = data.replicas(shape.columns);
      scale_rows(*context, shape, factors, view);
      weighted_sum_rows(*context, shape, weights, view, output.data());
      Buffer<double> sum(context->device(), shape.columns);
      add_weighted_rows(*context, shape, weights, view, sum.data());
      add_weighted_rows(*context, shape, weights, view, sum.data());
      sums.push_back(sum.download());
      norms.emplace_back(rows);
      squared_norms(*context, shape, view, norms.back());
      grams.emplace_back(rows * rows);
      gram(*context, shape, view, grams.back());
      plain_gram = products_in_double(shape, data.download());
      subtract_row(*context, shape, output.data(), view);
    }
    matrix.compare(1e-6);
    mean.compare(1e-6);
    for (std::size_t i = 0; i < sums[0].size(); ++i) EXPECT_NEAR(sums[1][i], sums[0][i], 1e-10);
    for (std::size_t i = 0; i < rows; ++i) {
      EXPECT_NEAR(norms[1][i], norms[0][i], 1e-9);
      EXPECT_NEAR(grams[1][i * rows + i], norms[1][i], 1e-9);
    }
    // A CPU adds stretches in float: rows.h has the bound.
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < rows; ++j) {
        const double bound = 8e-6 * std::sqrt(norms[1][i] * norms[1][j]);
        EXPECT_NEAR(grams[0][i * rows + j], grams[1][i * rows + j], bound);
        EXPECT_NEAR(grams[1][i * rows + j], plain_gram[i * rows + j], 1e-9);
      }
    }
  }
}

TEST(Columns, OfTooManyRowsForSharedMemoryHaveTheCpusMedians) {
  // 2^21 numbers are sorted at once.
  const MatrixShape shape = {700, 3000};
  Pair matrix(random_floats(17, shape.rows * shape.columns));
  Pair median(std::vector<float>(shape.columns));
  for (const auto side : {&Pair::cpu, &Pair::cuda}) {
    Context context((matrix.*side).device());
    trimmed_mean_columns(context, shape, (shape.rows - 1) / 2,
                         (matrix.*side).replicas(shape.columns), (median.*side).data());
  }
  median.compare(0);
}

TEST(Weights, OfSeveralBlocksAgreeWithTheCpu) {
  const WeightShape shape = {.channels = 3, .per_channel = 9001};
  Pair weights(random_floats(8, shape.channels * shape.per_channel));
  const std::vector<float> mask = {1, 0, 1};
  std::vector<WeightMoments> moments;
  std::vector<std::int64_t> zeroed;
  for (Buffer<float>* data : {&weights.cpu, &weights.cuda}) {
    Context context(data->device());
    const Buffer<float> masks(data->device(), std::span(mask));
    moments.push_back(weight_moments(context, shape, data->data(), masks.data()));
    zeroed.push_back(zero_weights_outside(context, shape, -0.5, 0.75, masks.data(), data->data()));
  }
  EXPECT_EQ(moments[1].count, moments[0].count);
  EXPECT_NEAR(moments[1].mean, moments[0].mean, 1e-13);
  EXPECT_NEAR(moments[1].deviation, moments[0].deviation, 1e-13);
  EXPECT_EQ(zeroed[1], zeroed[0]);
  EXPECT_GT(zeroed[1], 0);
  weights.compare(0);
}

TEST(Terms, OfSeveralBlocksAndGroupsAgreesWithTheCpu) {
  constexpr int kReplicas = 6;
  const std::vector<std::uint8_t> awake = {1, 0, 1, 1, 1, 1};
  // Three chunks of columns, in packs of four, two and one.
  for (const std::int64_t size : {9000, 9002, 9003}) {
    SCOPED_TRACE(size);
    const Pair values(random_floats(11, kReplicas * size));
    const Pair anchor(random_floats(12, size));
    const Pair direction(random_floats(13, size));
    std::vector<float> some = random_floats(14, size);
    for (float& count : some) count = count < 0 ? 0 : 1;
    const Pair counted(some);
    for (const bool all : {true, false}) {
      Pair squared(random_floats(15, kReplicas * size));
      Pair cosine(random_floats(16, kReplicas * size));
      for (const auto side : {&Pair::cpu, &Pair::cuda}) {
        const Device device = (values.*side).device();
        Context context(device);
        const Buffer<std::uint8_t> active(device, std::span(awake));
        const auto rows = (values.*side).replicas(size);
        const TermRows term = {kReplicas, size, all ? nullptr : active.data()};
        const DistanceShare distance = {.rho = 0.3F,
                                        .anchor = (anchor.*side).data(),
                                        .direction = (direction.*side).data(),
                                        .counted = all ? nullptr : (counted.*side).data()};
        mix_squared_distance(context, term, distance, rows, (squared.*side).replicas(size));
        mix_cosine_distance(context, term, distance, rows, (cosine.*side).replicas(size));
      }
      squared.compare(1e-6);
      cosine.compare(1e-6);
    }
  }
}

TEST(Dropout, DrawsTheSameBitsAsTheCpu) {
  for (const std::int64_t size : {1000, 1003}) {
    Pair values(random_floats(9, size * 2));
    const std::vector<RandomKey> keys = {{.seed = 5, .purpose = Purpose::dropout, .client = 1},
                                         {.seed = 5, .purpose = Purpose::dropout, .client = 2}};
    for (Buffer<float>* data : {&values.cpu, &values.cuda}) {
      Context context(data->device());
      const Buffer<RandomKey> own_keys(data->device(), std::span(keys));
      dropout(context, {.replicas = 2, .size = size, .rate = 0.3F, .part = 4}, own_keys.data(),
              data->replicas(size), data->replicas(size));
    }
    values.compare(0);
  }
}

TEST(Gather, OfSeveralTilesGivesTheSameBitsAsTheCpu) {
  constexpr int kImages = 5;
  const std::vector<float> mean = {0.3F, 0.4F, 0.5F};
  const std::vector<float> deviation = {0.2F, 0.25F, 0.3F};
  const std::vector<TriggerPixel> pixels = {{0, 255}, {200, 1}, {128, 9}, {128, 200}, {299, 77}};
  const std::vector<std::int32_t> start = {0, 2, 5};
  std::vector<std::uint8_t> images(kImages * 300);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * 37);
  for (const int batch : {1, 10, 36, 70}) {
    std::vector<Sample> samples;
    for (int i = 0; i < 2 * batch; ++i) {
      samples.push_back({.image = i % (kImages + 1) - 1,
                         .trigger = static_cast<std::int16_t>(i % 3 - 1),
                         .label = static_cast<std::int16_t>(i % 10)});
    }
    std::vector<std::vector<float>> outputs;
    std::vector<std::vector<std::int32_t>> labels;
    for (const Device device : {Device{}, kGpu}) {
      Context context(device);
      const Buffer<std::uint8_t> bytes(device, std::span<const std::uint8_t>(images));
      const Buffer<float> means(device, std::span(mean));
      const Buffer<float> deviations(device, std::span(deviation));
      const Buffer<TriggerPixel> all_pixels(device, std::span(pixels));
      const Buffer<std::int32_t> starts(device, std::span(start));
      const Buffer<Sample> list(device, std::span<const Sample>(samples));
      Buffer<float> output(device, 2 * 300 * batch);
      Buffer<std::int32_t> label(device, 2 * batch);
      gather(context,
             {.images = bytes.data(),
              .count = kImages,
              .channels = 3,
              .height = 10,
              .width = 10,
              .mean = means.data(),
              .deviation = deviations.data(),
              .trigger_pixels = all_pixels.data(),
              .trigger_start = starts.data(),
              .trigger_count = 2},
             2, batch, list.replicas(batch), output.replicas(300 * batch), label.replicas(batch));
      outputs.push_back(output.download());
      labels.push_back(label.download());
    }
    EXPECT_EQ(outputs[1], outputs[0]);
    EXPECT_EQ(labels[1], labels[0]);
  }
}

TEST(Loss, OfBatchesLongerThanABlockAgreesWithTheCpu) {
  const LossShape shape = {.replicas = 2, .classes = 7, .batch = 301};
  const Pair logits(random_floats(11, 2 * 7 * 301, -5, 5));
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 2 * 301; ++i) labels.push_back(i % 9 - 1 < 7 ? i % 9 - 1 : -1);
  Pair grad(std::vector<float>(2 * 7 * 301));
  std::vector<std::vector<LossTotals>> totals;
  for (const auto side : {&Pair::cpu, &Pair::cuda}) {
    Context context((logits.*side).device());
    const Buffer<std::int32_t> own_labels(context.device(), std::span<const std::int32_t>(labels));
    Buffer<LossTotals> sums(context.device(), 2);
    softmax_cross_entropy(context, shape, (logits.*side).replicas(7 * 301),
                          own_labels.replicas(301), (grad.*side).replicas(7 * 301), sums.data());
    totals.push_back(sums.download());
  }
  grad.compare(1e-6);
  for (std::size_t r = 0; r < 2; ++r) {
    EXPECT_NEAR(totals[1][r].loss, totals[0][r].loss, 1e-6 * totals[0][r].loss);
    EXPECT_EQ(totals[1][r].correct, totals[0][r].correct);
    EXPECT_EQ(totals[1][r].count, totals[0][r].count);
  }
}

/// What training and the way back leave behind, on either side.
void compare_batch_norm(const ActivationShape& shape, const std::vector<int>& valid,
                        bool in_place) {
  const std::int64_t size = shape.size();
  const std::int64_t rows = std::int64_t{shape.replicas} * shape.channels;
  // Far from 0, so that squares alone would lose the variance.
  const Pair x(random_floats(12, size * shape.replicas, 300, 301));
  const Pair dy(random_floats(13, size * shape.replicas));
  const Pair gamma(random_floats(14, rows, 0.5F, 2));
  const Pair beta(random_floats(15, rows));
  Pair mean(random_floats(16, rows));
  Pair variance(random_floats(17, rows, 1, 2));
  Pair saved(random_floats(18, 2 * rows));
  Pair y(random_floats(19, size * shape.replicas));
  Pair dx(dy.cpu.download());
  Pair grad_gamma(random_floats(20, rows));
  Pair grad_beta(random_floats(21, rows));
  for (const auto side : {&Pair::cpu, &Pair::cuda}) {
    Context context((x.*side).device());
    const Buffer<int> counts(context.device(), std::span(valid));
    const auto of_channels = [&](Pair& pair) { return (pair.*side).replicas(shape.channels); };
    batch_norm_training(context, shape, {}, counts.data(), (x.*side).replicas(size),
                        {.gamma = (gamma.*side).replicas(shape.channels),
                         .beta = (beta.*side).replicas(shape.channels),
                         .running_mean = of_channels(mean),
                         .running_variance = of_channels(variance)},
                        (saved.*side).replicas(2 * shape.channels), (y.*side).replicas(size));
    const Replicas<const float> gradient =
        in_place ? (dx.*side).replicas(size) : (dy.*side).replicas(size);
    batch_norm_backward(context, shape, counts.data(), (x.*side).replicas(size),
                        (gamma.*side).replicas(shape.channels),
                        (saved.*side).replicas(2 * shape.channels), gradient,
                        of_channels(grad_gamma), of_channels(grad_beta), (dx.*side).replicas(size));
  }
  // A float near 300 has steps of 3e-5, and the values spread over 0.3.
  y.compare(1e-6);
  dx.compare(1e-6);
  for (const Pair* pair : {&mean, &variance, &saved, &grad_gamma, &grad_beta}) pair->compare(1e-6);
}

TEST(BatchNorm, OfChannelsThatSharedMemoryHoldsInPartAgreesWithTheCpu) {
  // 64, 140, 264 and 35 KB a channel: training keeps all, most, part, and all in packs of one; the
  // way back needs twice as much.
  for (const ActivationShape& shape :
       {ActivationShape{2, 2, 250, 64}, ActivationShape{2, 1, 1090, 32},
        ActivationShape{2, 1, 1030, 64}, ActivationShape{2, 2, 1251, 7}}) {
    SCOPED_TRACE(std::to_string(shape.positions) + " positions of " + std::to_string(shape.batch));
    compare_batch_norm(shape, {shape.batch, shape.batch}, false);
    compare_batch_norm(shape, {shape.batch - 2, 0}, true);
  }
}

TEST(MaxPool, RecordsWhatWindowsLeaveOutAndCountsOverlapsOnce) {
  for (const auto& [window, stride] :
       std::vector<std::pair<int, int>>{{2, 2}, {3, 2}, {2, 3}, {3, 1}}) {
    for (const int batch : {4, 5, 6}) {
      SCOPED_TRACE(std::to_string(window) + "/" + std::to_string(stride));
      const PoolShape shape = {2, 3, 8, 7, batch, window, stride, true};
      const Pair input(random_floats(10, shape.input_size() * 2));
      const std::vector<int> valid = {batch, 2};
      const std::vector<float> mask = {1, 1, 0, 0, 1, 1};
      Pair output(std::vector<float>(static_cast<std::size_t>(shape.output_size() * 2)));
      Pair grad(std::vector<float>(static_cast<std::size_t>(shape.input_size() * 2)));
      std::vector<std::vector<double>> records;
      for (const bool on_cpu : {true, false}) {
        const auto side = on_cpu ? &Pair::cpu : &Pair::cuda;
        Context context((input.*side).device());
        const Buffer<float> masks(context.device(), std::span(mask));
        const Buffer<int> counts(context.device(), std::span(valid));
        Buffer<double> record(context.device(), 6);
        Buffer<std::uint8_t> argmax(context.device(), shape.output_size() * 2);
        max_pool_forward(
            context, shape, (input.*side).replicas(shape.input_size()),
            {.mask = masks.replicas(3), .record = record.replicas(3), .valid = counts.data()},
            (output.*side).replicas(shape.output_size()), argmax.replicas(shape.output_size()));
        max_pool_backward(context, shape, (output.*side).replicas(shape.output_size()),
                          argmax.replicas(shape.output_size()),
                          (output.*side).replicas(shape.output_size()),
                          (grad.*side).replicas(shape.input_size()));
        records.push_back(record.download());
      }
      output.compare(0);
      grad.compare(0);
      for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(records[1][i], records[0][i], 1e-10);
    }
  }
}

}  // namespace

}  // namespace redoubt::kernels
