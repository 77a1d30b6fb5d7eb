#include "kernels/columns.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/check.h"
#include "kernels/multiversion.h"
#include "kernels/parallel.h"
#include "kernels/sorting_network.h"

namespace redoubt::kernels {

namespace {

/// Columns sorted in step: one AVX-512 register of floats. A pack of 128 rows fits into 8 KiB.
constexpr int kPack = 16;
/// Packs that one task takes.
constexpr std::int64_t kPacksATask = 64;

using Exchanges = std::vector<std::pair<int, int>>;

Exchanges exchanges_for(int rows) {
  Exchanges exchanges;
  sorting_network(rows, [&](int i, int j) { exchanges.emplace_back(i * kPack, j * kPack); });
  return exchanges;
}

REDOUBT_MULTIVERSION
void sort_pack(const std::pair<int, int>* exchanges, std::size_t count, float* values) {
  for (std::size_t e = 0; e < count; ++e) {
    // Copies, for the compiler does not know that the two rows are apart.
    float low[kPack];
    float high[kPack];
    std::memcpy(low, values + exchanges[e].first, sizeof(low));
    std::memcpy(high, values + exchanges[e].second, sizeof(high));
    float least[kPack];
    float greatest[kPack];
#pragma omp simd
    for (int i = 0; i < kPack; ++i) {
      least[i] = low[i] < high[i] ? low[i] : high[i];
      greatest[i] = low[i] < high[i] ? high[i] : low[i];
    }
    std::memcpy(values + exchanges[e].first, least, sizeof(least));
    std::memcpy(values + exchanges[e].second, greatest, sizeof(greatest));
  }
}

REDOUBT_MULTIVERSION
void mean_of_rows(int first, int count, const float* values, float* output) {
  double sum[kPack] = {};
  for (int r = first; r < first + count; ++r) {
    for (int i = 0; i < kPack; ++i) sum[i] += static_cast<double>(values[r * kPack + i]);
  }
  for (int i = 0; i < kPack; ++i) output[i] = static_cast<float>(sum[i] / count);
}

/// Calls reduce(sorted [rows][kPack], output [kPack]) for every pack of columns.
template <class Reduce>
void over_sorted_columns(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                         float* output, const Reduce& reduce) {
  const Exchanges exchanges = exchanges_for(shape.rows);
  const std::int64_t packs = (shape.columns + kPack - 1) / kPack;
  const auto tasks = static_cast<int>((packs + kPacksATask - 1) / kPacksATask);
  parallel_for(tasks, context.threads(), [&](int task, int /*worker*/) {
    std::vector<float> values(static_cast<std::size_t>(shape.rows) * kPack);
    float reduced[kPack];
    const std::int64_t end = std::min(packs, (task + 1) * kPacksATask);
    for (std::int64_t pack = task * kPacksATask; pack < end; ++pack) {
      const std::int64_t column = pack * kPack;
      const auto count =
          static_cast<std::size_t>(std::min<std::int64_t>(kPack, shape.columns - column));
      for (int r = 0; r < shape.rows; ++r) {
        std::memcpy(values.data() + r * kPack, matrix[r] + column, count * sizeof(float));
      }
      sort_pack(exchanges.data(), exchanges.size(), values.data());
      reduce(values.data(), reduced);
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
  over_sorted_columns(context, shape, matrix, output, [&](const float* sorted, float* reduced) {
    mean_of_rows(trim, shape.rows - 2 * trim, sorted, reduced);
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
  over_sorted_columns(context, shape, matrix, output, [&](const float* sorted, float* reduced) {
    for (int i = 0; i < kPack; ++i) {
      const auto value = [&](int r) { return sorted[r * kPack + i]; };
      const int first = nearest_to_median(shape.rows, keep, value);
      double sum = 0;
      for (int r = first; r < first + keep; ++r) sum += static_cast<double>(value(r));
      reduced[i] = static_cast<float>(sum / keep);
    }
  });
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
      const double share = weights[static_cast<std::size_t>(r)] / all;
      if (share == 0) continue;
      const float* row = matrix[r] + first;
      for (std::int64_t i = 0; i < count; ++i) mean[i] += share * static_cast<double>(row[i]);
    }
    for (int r = 0; r < shape.rows; ++r) {
      const double share = weights[static_cast<std::size_t>(r)] / all;
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
