// Arithmetic on the fleet's matrix, and the weights of a layer.
#include <algorithm>
#include <cmath>

#include "kernels/columns.h"
#include "kernels/rows.h"
#include "kernels/weights.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

constexpr double kSumTolerance = 1e-13;
/// What rows.h allows a CPU without wide vectors.
constexpr double kGramTolerance = 8e-6;

/// Sums once more, in long double.
double dot(const Values& a, const Values& b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<long double>(a[i]) * b[i];
  return static_cast<double>(sum);
}

Results run_rows(Device device, const kernels::MatrixShape& s, int threads, const Values& matrix,
                 const Values& row, const std::vector<double>& weights) {
  Context context(device, threads);
  const auto rows = static_cast<std::size_t>(s.rows);
  const std::vector<float> factors(weights.begin(), weights.end());
  Blocks<float> m(device, s.rows, s.columns, {3}, matrix);
  Blocks<float> one(device, 1, s.columns, {3, true}, row);
  Blocks<float> subtracted(device, s.rows, s.columns, {5}, matrix);
  Blocks<float> scaled(device, s.rows, s.columns, {5}, matrix);
  Blocks<float> added(device, s.rows, s.columns, {5}, matrix);
  Blocks<float> both(device, s.rows, s.columns, {7});
  Blocks<float> mean(device, 1, s.columns, {5});
  Blocks<double> sum(device, 1, s.columns, {1}, row);
  Blocks<double> total(device, 1, s.columns, {1}, row);
  Blocks<float> moved(device, 1, s.columns, {5}, row);
  Values norms(rows);
  Values distances(rows);
  Blocks<float> centre(device, 1, s.columns, {5});
  Values from_centre(rows);
  Values gram(rows * rows);
  std::vector<std::uint8_t> finite(rows);
  kernels::subtract_row(context, s, one.view().data, subtracted.view());
  kernels::scale_rows(context, s, factors, scaled.view());
  kernels::axpy_rows(context, s, 0.5F, one.view(), added.view());
  kernels::add_rows(context, s, m.view(), scaled.view(), both.view());
  kernels::add_weighted_rows(context, s, weights, m.view(), sum.view().data);
  kernels::weighted_sum_rows(context, s, weights, m.view(), mean.view().data);
  kernels::add_mean(context, s.columns, 0.25F, 3, total.view().data, moved.view().data);
  kernels::squared_norms(context, s, m.view(), norms);
  kernels::squared_distances(context, s, m.view(), one.view().data, distances);
  kernels::weighted_sum_and_distances(context, s, weights, m.view(), centre.view().data,
                                      from_centre);
  kernels::gram(context, s, m.view(), gram);
  kernels::finite_rows(context, s, m.view(), finite);
  context.synchronize();
  return {{"subtract_row", subtracted.values()},
          {"scale_rows", scaled.values()},
          {"axpy_rows", added.values()},
          {"add_rows", both.values()},
          {"add_weighted_rows", sum.values()},
          {"weighted_sum_rows", mean.values()},
          {"add_mean", moved.values()},
          {"squared_norms", norms},
          {"squared_distances", distances},
          {"gram", gram},
          {"finite_rows", Values(finite.begin(), finite.end())},
          {"weighted_sum_and_distances: sum", centre.values()},
          {"weighted_sum_and_distances: distances", from_centre}};
}

Results rows_reference(const kernels::MatrixShape& s, const Values& matrix, const Values& row,
                       const std::vector<double>& weights) {
  Results results = {{"subtract_row", {}, 1e-7},
                     {"scale_rows", {}, 1e-7},
                     {"axpy_rows", {}, 1e-7},
                     {"add_rows", {}, 1e-7},
                     {"add_weighted_rows", row, kSumTolerance},
                     {"weighted_sum_rows", {}, 1e-7},
                     {"add_mean", {}, 1e-7},
                     {"squared_norms", {}, kSumTolerance},
                     {"squared_distances", {}, kSumTolerance},
                     {"gram", {}, kGramTolerance},
                     {"finite_rows", {}},
                     {"weighted_sum_and_distances: sum", {}, 1e-7},
                     {"weighted_sum_and_distances: distances", {}, kSumTolerance}};
  for (const double x : row) results[6].values.push_back(x + 0.25 * x / 3);
  Values mean(row.size(), 0.0);
  for (int r = 0; r < s.rows; ++r) {
    const Values own = block(matrix, s.columns, r);
    const double weight = weights[r];
    for (std::size_t i = 0; i < own.size(); ++i) {
      results[0].values.push_back(own[i] - row[i]);
      results[1].values.push_back(own[i] * weight);
      results[2].values.push_back(own[i] + 0.5 * row[i]);
      results[3].values.push_back(own[i] + own[i] * weight);
      results[4].values[i] += weight * own[i];
      mean[i] += weight * own[i];
    }
    results[7].values.push_back(dot(own, own));
    Values off = own;
    for (std::size_t i = 0; i < off.size(); ++i) off[i] -= row[i];
    results[8].values.push_back(dot(off, off));
    for (int other = 0; other < s.rows; ++other) {
      results[9].values.push_back(dot(own, block(matrix, s.columns, other)));
    }
    results[10].values.push_back(1);
  }
  results[5].values = mean;
  results[11].values = mean;
  for (int r = 0; r < s.rows; ++r) {
    Values off = block(matrix, s.columns, r);
    // From the sum as a float holds it.
    for (std::size_t i = 0; i < off.size(); ++i) {
      off[i] -= static_cast<double>(static_cast<float>(mean[i]));
    }
    results[12].values.push_back(dot(off, off));
  }
  return results;
}

OperationCase rows_case(int rows, std::int64_t columns, int threads) {
  const kernels::MatrixShape shape = {rows, columns};
  const Values matrix = random_values(41, rows * columns);
  const Values row = random_values(42, columns);
  const std::vector<double> weights = random_values(43, rows, 0, 1);
  OperationCase entry;
  entry.family = "rows";
  entry.name = std::to_string(rows) + "x" + std::to_string(columns) + ", " +
               std::to_string(threads) + " threads";
  entry.run = [=](Device device) { return run_rows(device, shape, threads, matrix, row, weights); };
  entry.reference = [=]() { return rows_reference(shape, matrix, row, weights); };
  return entry;
}

/// Of sorted values, the nearest to the median; those as far away as the last of them share what
/// is left.
double mean_near_median(const Values& sorted, std::size_t keep) {
  const std::size_t n = sorted.size();
  const double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  Values distances;
  for (const double value : sorted) distances.push_back(std::abs(value - median));
  std::sort(distances.begin(), distances.end());
  const double last = distances[keep - 1];
  double sum = 0;
  Values tied;
  std::size_t nearer = 0;
  for (const double value : sorted) {
    if (std::abs(value - median) == last) tied.push_back(value);
    if (std::abs(value - median) >= last) continue;
    sum += value;
    ++nearer;
  }
  double of_tied = 0;
  for (const double value : tied) of_tied += value / static_cast<double>(tied.size());
  return (sum + static_cast<double>(keep - nearer) * of_tied) / static_cast<double>(keep);
}

/// Order statistics by sorting doubles.
OperationCase columns_case(int rows, std::int64_t columns, int threads, bool ties) {
  const kernels::MatrixShape s = {rows, columns};
  Values matrix = random_values(46, rows * columns);
  if (ties) {
    for (double& value : matrix) value = std::round(3 * value) / 4;
  }
  const int trim = (rows - 1) / 3;
  const int keep = rows - 2 * trim;
  OperationCase entry;
  entry.family = "columns";
  entry.name = std::to_string(rows) + "x" + std::to_string(columns) + (ties ? ", ties" : "") +
               ", " + std::to_string(threads) + " threads";
  entry.run = [=](Device device) -> Results {
    Context context(device, threads);
    Blocks<float> m(device, s.rows, s.columns, {3}, matrix);
    Blocks<float> mean(device, 1, s.columns, {5});
    Blocks<float> median(device, 1, s.columns, {5});
    Blocks<float> near(device, 1, s.columns, {5});
    kernels::trimmed_mean_columns(context, s, trim, m.view(), mean.view().data);
    kernels::trimmed_mean_columns(context, s, (rows - 1) / 2, m.view(), median.view().data);
    kernels::mean_near_median_columns(context, s, keep, m.view(), near.view().data);
    context.synchronize();
    return {{"trimmed_mean", mean.values()},
            {"median", median.values()},
            {"mean_near_median", near.values()}};
  };
  entry.reference = [=]() -> Results {
    Results results = {
        {"trimmed_mean", {}, 1e-7}, {"median", {}, 1e-7}, {"mean_near_median", {}, 1e-7}};
    const auto n = static_cast<std::size_t>(rows);
    const auto mean_of = [](const Values& values, std::size_t first, std::size_t count) {
      double sum = 0;
      for (std::size_t i = first; i < first + count; ++i) sum += values[i];
      return sum / static_cast<double>(count);
    };
    for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c) {
      Values column;
      for (std::size_t r = 0; r < n; ++r) {
        column.push_back(matrix[r * static_cast<std::size_t>(columns) + c]);
      }
      std::sort(column.begin(), column.end());
      const double middle = column[n / 2];
      results[0].values.push_back(
          mean_of(column, static_cast<std::size_t>(trim), static_cast<std::size_t>(keep)));
      results[1].values.push_back(n % 2 == 1 ? middle : (column[n / 2 - 1] + middle) / 2);
      results[2].values.push_back(mean_near_median(column, static_cast<std::size_t>(keep)));
    }
    return results;
  };
  return entry;
}

/// Sums and deviations of rows some of which have weight 0 and are not finite.
OperationCase known_rows_case(int rows, std::int64_t columns) {
  const kernels::MatrixShape s = {rows, columns};
  constexpr double kShift = -0.75;
  const Values known = random_values(47, rows * columns);
  std::vector<double> weights = random_values(48, rows, 0.5, 1.5);
  Values matrix = known;
  for (int r = 1; r < rows; r += 3) {
    weights[r] = 0;
    for (std::int64_t c = r % 2; c < columns; c += 2) {
      matrix[r * columns + c] = r % 2 == 0 ? INFINITY : NAN;
    }
  }
  OperationCase entry;
  entry.family = "rows";
  entry.name =
      std::to_string(rows) + "x" + std::to_string(columns) + ", some not finite and of no weight";
  entry.run = [=](Device device) -> Results {
    Context context(device, 2);
    Blocks<float> m(device, s.rows, s.columns, {3}, matrix);
    Blocks<float> shifted(device, 1, s.columns, {5});
    Blocks<float> mean(device, 1, s.columns, {5});
    Blocks<double> sum(device, 1, s.columns, {1}, Values(static_cast<std::size_t>(columns), 0.0));
    kernels::shifted_mean_columns(context, s, weights, kShift, m.view(), shifted.view().data);
    kernels::weighted_sum_rows(context, s, weights, m.view(), mean.view().data);
    kernels::add_weighted_rows(context, s, weights, m.view(), sum.view().data);
    context.synchronize();
    return {{"shifted_mean_columns", shifted.values()},
            {"weighted_sum_rows", mean.values()},
            {"add_weighted_rows", sum.values()}};
  };
  entry.reference = [=]() -> Results {
    Results results = {{"shifted_mean_columns", {}, 1e-6},
                       {"weighted_sum_rows", {}, 1e-7},
                       {"add_weighted_rows", {}, kSumTolerance}};
    double all = 0;
    for (const double weight : weights) all += weight;
    for (std::int64_t c = 0; c < columns; ++c) {
      const auto at = [&](int r) { return known[r * columns + c]; };
      double sum = 0;
      double squares = 0;
      for (int r = 0; r < rows; ++r) sum += weights[r] * at(r);
      for (int r = 0; r < rows; ++r) {
        squares += weights[r] * std::pow(at(r) - sum / all, 2);
      }
      results[0].values.push_back(sum / all + kShift * std::sqrt(squares / all));
      results[1].values.push_back(sum);
      results[2].values.push_back(sum);
    }
    return results;
  };
  return entry;
}

OperationCase weights_case(int channels, std::int64_t per_channel, bool with_mask) {
  const kernels::WeightShape s = {channels, per_channel};
  const Values weights = random_values(44, channels * per_channel);
  const Values masks =
      with_mask ? random_masks(45, channels) : Values(static_cast<std::size_t>(channels), 1.0);
  const double low = -0.7;
  const double high = 0.6;
  OperationCase entry;
  entry.family = "weights";
  entry.name =
      std::to_string(channels) + "x" + std::to_string(per_channel) + (with_mask ? ", masked" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> w(device, 1, channels * per_channel, {3}, weights);
    Blocks<float> m(device, 1, channels, {3}, masks);
    const float* mask = with_mask ? m.view().data : nullptr;
    const kernels::WeightMoments moments = kernels::weight_moments(context, s, w.view().data, mask);
    const std::int64_t zeroed =
        kernels::zero_weights_outside(context, s, low, high, mask, w.view().data);
    context.synchronize();
    return {{"mean", {moments.mean}},
            {"deviation", {moments.deviation}},
            {"counts", {static_cast<double>(moments.count), static_cast<double>(zeroed)}},
            {"weights", w.values()}};
  };
  entry.reference = [=]() -> Results {
    Values kept = weights;
    Values heard;
    double zeroed = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (masks[i / static_cast<std::size_t>(per_channel)] == 0) continue;
      heard.push_back(weights[i]);
      if (weights[i] >= low && weights[i] <= high) continue;
      kept[i] = 0;
      ++zeroed;
    }
    const Values ones(heard.size(), 1.0);
    const auto count = static_cast<double>(heard.size());
    const double mean = heard.empty() ? 0 : dot(heard, ones) / count;
    for (double& weight : heard) weight -= mean;
    const double deviation = heard.empty() ? 0 : std::sqrt(dot(heard, heard) / count);
    return {{"mean", {mean}, 1e-11},
            {"deviation", {deviation}, kSumTolerance},
            {"counts", {count, zeroed}},
            {"weights", kept}};
  };
  return entry;
}

}  // namespace

void add_row_cases(std::vector<OperationCase>& cases) {
  // On a GPU a column of up to 4, 10, 16, 32, 50 and 64 rows is in registers, of up to 640 in
  // shared memory.
  for (const int rows : {1, 2, 3, 4, 7, 10, 13, 20, 33, 50, 59, 100}) {
    for (const std::int64_t columns : {1, 31, 2051}) {
      cases.push_back(columns_case(rows, columns, rows % 2 + 1, false));
    }
    cases.push_back(columns_case(rows, 65, 1, true));
  }
  for (const bool ties : {false, true}) cases.push_back(columns_case(641, 17, 2, ties));
  for (const int rows : {1, 2, 7, 10}) {
    for (const std::int64_t columns : {1, 31, 2051}) {
      cases.push_back(known_rows_case(rows, columns));
    }
  }
  cases.push_back(known_rows_case(200, 44));
  for (const int threads : {1, 2}) {
    for (const int rows : {1, 3, 7, 10}) {
      for (const std::int64_t columns : {1, 31, 64, 2048, 5003}) {
        cases.push_back(rows_case(rows, columns, threads));
      }
    }
  }
  for (const bool with_mask : {false, true}) {
    for (const int channels : {1, 5, 16}) {
      for (const std::int64_t per_channel : {1, 9, 75, 800}) {
        cases.push_back(weights_case(channels, per_channel, with_mask));
      }
    }
  }
}

}  // namespace redoubt::test
