#include "kernels/columns.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/multiversion.h"
#include "kernels/sort/network.h"
#include "kernels/sort/steps.h"
#include "kernels/tiles_choice.h"

namespace redoubt::kernels {

namespace {

/// Columns that one task takes.
constexpr std::int64_t kTaskColumns = 1024;
/// Columns that are reduced in step; every tile's width is a multiple.
constexpr int kLanes = 8;
constexpr int kMostWidth = 32;

/// output[i] = the mean of rows [first, first + count) of values [rows][width].
REDOUBT_MULTIVERSION
void mean_of_rows(int first, int count, int width, const float* values, float* output) {
  for (int lane = 0; lane < width; lane += kLanes) {
    double sum[kLanes] = {};
    for (int r = first; r < first + count; ++r) {
      for (int i = 0; i < kLanes; ++i) sum[i] += static_cast<double>(values[r * width + lane + i]);
    }
    for (int i = 0; i < kLanes; ++i) output[lane + i] = static_cast<float>(sum[i] / count);
  }
}

/// The median of values [rows][width] whose first (rows + 1) / 2 rows hold the lesser ones.
REDOUBT_MULTIVERSION
void median_of_halves(int rows, int width, const float* values, float* output) {
  const int lesser = (rows + 1) / 2;
  for (int lane = 0; lane < width; lane += kLanes) {
    float low[kLanes];
    for (int i = 0; i < kLanes; ++i) low[i] = values[lane + i];
    for (int r = 1; r < lesser; ++r) {
      const float* row = values + r * width + lane;
#pragma omp simd
      for (int i = 0; i < kLanes; ++i) low[i] = low[i] < row[i] ? row[i] : low[i];
    }
    float high[kLanes];
    for (int i = 0; i < kLanes; ++i) high[i] = values[(rows - 1) * width + lane + i];
    for (int r = lesser; r < rows; ++r) {
      const float* row = values + r * width + lane;
#pragma omp simd
      for (int i = 0; i < kLanes; ++i) high[i] = row[i] < high[i] ? row[i] : high[i];
    }
    for (int i = 0; i < kLanes; ++i) {
      const double sum = static_cast<double>(low[i]) + static_cast<double>(high[i]);
      output[lane + i] = rows % 2 == 1 ? low[i] : static_cast<float>(sum / 2);
    }
  }
}

/// Calls reduce(values [rows][width], width, output [width]) for every few columns, once the steps
/// are done.
template <class Reduce>
void over_columns(Context& context, const MatrixShape& shape, const SortSteps& steps,
                  Replicas<const float> matrix, float* output, const Reduce& reduce) {
  const int width = tiles().width;
  check(width <= kMostWidth && width % kLanes == 0, "tiles of 8 to 32 columns");
  const auto tasks = static_cast<int>((shape.columns + kTaskColumns - 1) / kTaskColumns);
  parallel_for(tasks, context.threads(), [&](int task, int /*worker*/) {
    std::vector<float> values(static_cast<std::size_t>(shape.rows) *
                              static_cast<std::size_t>(width));
    float reduced[kMostWidth];
    const std::int64_t end = std::min(shape.columns, (task + 1) * kTaskColumns);
    for (std::int64_t column = task * kTaskColumns; column < end; column += width) {
      const auto count = static_cast<std::size_t>(std::min<std::int64_t>(width, end - column));
      for (int r = 0; r < shape.rows; ++r) {
        std::memcpy(values.data() + r * width, matrix[r] + column, count * sizeof(float));
      }
      tiles().sort_columns(steps.data(), static_cast<int>(steps.size()), values.data());
      reduce(values.data(), width, reduced);
      std::memcpy(output + column, reduced, count * sizeof(float));
    }
  });
}

}  // namespace

void trimmed_mean_columns(Context& context, const MatrixShape& shape, int trim,
                          Replicas<const float> matrix, float* output) {
  check(trim >= 0 && 2 * trim < shape.rows, "a trimmed mean keeps a value");
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::trimmed_mean_columns(context, shape, trim, matrix, output);
  }
  const int keep = shape.rows - 2 * trim;
  if (keep <= 2) {
    over_columns(context, shape, halving_steps(shape.rows), matrix, output,
                 [&](const float* halves, int width, float* reduced) {
                   median_of_halves(shape.rows, width, halves, reduced);
                 });
    return;
  }
  over_columns(context, shape, trimming_steps(shape.rows, trim), matrix, output,
               [&](const float* trimmed, int width, float* reduced) {
                 mean_of_rows(trim, keep, width, trimmed, reduced);
               });
}

void mean_near_median_columns(Context& context, const MatrixShape& shape, int keep,
                              Replicas<const float> matrix, float* output) {
  check(keep >= 1 && keep <= shape.rows, "the mean of 1 to all values");
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::mean_near_median_columns(context, shape, keep, matrix, output);
    }
  }
  const auto reduce = [&](const float* sorted, int width, float* reduced) {
    for (int i = 0; i < width; ++i) {
      const auto value = [&](int r) { return sorted[r * width + i]; };
      reduced[i] = mean_near_median(shape.rows, keep, value);
    }
  };
  over_columns(context, shape, sorting_steps(shape.rows), matrix, output, reduce);
}

void shifted_mean_columns(Context& context, const MatrixShape& shape,
                          std::span<const double> weights, double shift,
                          Replicas<const float> matrix, float* output) {
  check(std::ssize(weights) == shape.rows, "one weight a row");
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::shifted_mean_columns(context, shape, weights, shift, matrix, output);
    }
  }
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  constexpr std::int64_t kColumns = 1024;
  const auto tasks = static_cast<int>((shape.columns + kColumns - 1) / kColumns);
  parallel_for(tasks, context.threads(), [&](int task, int /*worker*/) {
    const std::int64_t first = task * kColumns;
    const std::int64_t count = std::min(kColumns, shape.columns - first);
    double mean[kColumns] = {};
    double squares[kColumns] = {};
    for (int r = 0; r < shape.rows; ++r) {
      const double share = weights[r] / all;
      if (share == 0) continue;
      const float* row = matrix[r] + first;
      for (std::int64_t i = 0; i < count; ++i) mean[i] += share * static_cast<double>(row[i]);
    }
    for (int r = 0; r < shape.rows; ++r) {
      const double share = weights[r] / all;
      if (share == 0) continue;
      const float* row = matrix[r] + first;
      for (std::int64_t i = 0; i < count; ++i) {
        const double distance = static_cast<double>(row[i]) - mean[i];
        squares[i] += share * distance * distance;
      }
    }
    for (std::int64_t i = 0; i < count; ++i) {
      output[first + i] = static_cast<float>(mean[i] + shift * std::sqrt(squares[i]));
    }
  });
}

}  // namespace redoubt::kernels
