// Order statistics of columns on CUDA: a thread sorts one column by the network that the CPU uses,
// in registers as far as they go.
#include "kernels/columns.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cuda_parts.h"
#include "kernels/sort/columns_in_registers.h"
#include "kernels/sort/network.h"

namespace redoubt::kernels::cuda {

namespace {

/// Columns of more rows than registers hold, in shared memory [rows][threads], so that neighbours
/// touch neighbouring banks. 4 bytes an element from memory and about log₂²(rows) / 2 accesses of
/// shared memory for each. With `spare` given, columns are sorted there, [rows][grid threads].
__global__ void reduce_sorted_columns(int rows, std::int64_t first_column, std::int64_t columns,
                                      Reduction reduction, Replicas<const float> matrix,
                                      float* spare, float* output) {
  REDOUBT_DYNAMIC_SHARED(float, shared);
  const std::int64_t column = first_column + global_thread();
  const bool in_spare = spare != nullptr;
  const std::int64_t stride = in_spare ? grid_threads() : blockDim.x;
  float* values = in_spare ? spare + global_thread() : shared + threadIdx.x;
  if (column >= columns) return;
  for (int r = 0; r < rows; ++r) values[r * stride] = matrix[r][column];
  sorting_network(rows, [&](int i, int j) {
    const float a = values[i * stride];
    const float b = values[j * stride];
    values[i * stride] = a < b ? a : b;
    values[j * stride] = a < b ? b : a;
  });
  const auto value = [&](int r) { return values[r * stride]; };
  const int first = reduction.kind == Reduction::near_median
                        ? nearest_to_median(rows, reduction.keep, value)
                        : reduction.trim;
  double sum = 0;
  for (int r = first; r < first + reduction.keep; ++r) sum += static_cast<double>(value(r));
  output[column] = static_cast<float>(sum / reduction.keep);
}

void reduce_columns_in_memory(Context& context, const MatrixShape& shape,
                              const Reduction& reduction, Replicas<const float> matrix,
                              float* output) {
  // As many columns a block as fit into half of the shared memory that every GPU since sm_80 has.
  constexpr std::int64_t kSharedFloats = 80 * 1024 / sizeof(float);
  const std::int64_t fitting = kSharedFloats / std::max(shape.rows, 1) / kWarp * kWarp;
  if (fitting > 0) {
    const auto threads = static_cast<unsigned>(std::min<std::int64_t>(fitting, 128));
    launch(context, "reduce_sorted_columns",
           {.grid = {grid_extent(divide_up(shape.columns, threads), kMostBlocks)},
            .block = {threads},
            .shared_bytes = static_cast<std::size_t>(shape.rows) * threads * sizeof(float)},
           reduce_sorted_columns, shape.rows, 0, shape.columns, reduction, matrix, nullptr, output);
    return;
  }
  // More rows than that are sorted in the scratch memory, so many columns at a time.
  constexpr std::int64_t kColumnsAtOnce = 16384;
  auto* spare = context.scratch_of<float>(static_cast<std::size_t>(shape.rows) * kColumnsAtOnce);
  for (std::int64_t first = 0; first < shape.columns; first += kColumnsAtOnce) {
    launch(context, "reduce_sorted_columns",
           {.grid = {grid_extent(kColumnsAtOnce / kBlock, kMostBlocks)}, .block = {kBlock}},
           reduce_sorted_columns, shape.rows, first, shape.columns, reduction, matrix, spare,
           output);
  }
}

void reduce_columns(Context& context, const MatrixShape& shape, const Reduction& reduction,
                    Replicas<const float> matrix, float* output) {
  if (!reduce_columns_in_registers(context, shape, reduction, matrix, output)) {
    reduce_columns_in_memory(context, shape, reduction, matrix, output);
  }
}

/// What a row adds to the mean and the squares of those before it.
struct KnownRow {
  double share;  ///< of all weights
  double step;   ///< of the weights up to this row
  std::int64_t row;
};

/// As kernel arguments, of which there may be 4 KB.
struct KnownRows {
  static constexpr int kMost = 128;
  KnownRow at[kMost];
};

/// One pass, from row to row: West, "Updating mean and variance estimates" (1979). 4 bytes an
/// element. `more`, in device memory, stands for `known` where there are too many rows.
template <int kWidth>
__global__ void shift_means(int rows, std::int64_t columns, KnownRows known, const KnownRow* more,
                            double shift, Replicas<const float> matrix, float* output) {
  const std::int64_t i = pack_index(kWidth);
  if (i >= columns) return;
  double mean[kWidth] = {};
  double squares[kWidth] = {};
#pragma unroll 8
  for (int r = 0; r < rows; ++r) {
    const KnownRow next = more == nullptr ? known.at[r] : more[r];
    const Pack<float, kWidth> values = load<kWidth>(matrix.data + next.row * matrix.pitch + i);
    for (int j = 0; j < kWidth; ++j) {
      const auto value = static_cast<double>(values.at[j]);
      const double distance = value - mean[j];
      mean[j] += next.step * distance;
      squares[j] += next.share * distance * (value - mean[j]);
    }
  }
  Pack<float, kWidth> shifted;
  for (int j = 0; j < kWidth; ++j) {
    // Rounding may leave a little less than nothing.
    const double variance = squares[j] < 0 ? 0 : squares[j];  // NaN passes
    shifted.at[j] = static_cast<float>(mean[j] + shift * sqrt(variance));
  }
  store(output + i, shifted);
}

}  // namespace

void shifted_mean_columns(Context& context, const MatrixShape& shape,
                          std::span<const double> weights, double shift,
                          Replicas<const float> matrix, float* output) {
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<KnownRow> known;
  double so_far = 0;
  for (int r = 0; r < shape.rows; ++r) {
    const double weight = weights[static_cast<std::size_t>(r)];
    if (weight == 0) continue;
    so_far += weight;
    known.push_back({.share = weight / all, .step = weight / so_far, .row = r});
  }
  const auto rows = static_cast<int>(known.size());
  KnownRows arguments = {};
  KnownRow* more = nullptr;
  if (rows <= KnownRows::kMost) {
    std::copy(known.begin(), known.end(), arguments.at);
  } else {
    more = context.scratch_of<KnownRow>(known.size());
    context.copy_to_device(more, known.data(), known.size() * sizeof(KnownRow));
  }
  with_pack_width(
      shape.columns,
      [&](auto width) {
        launch(context, "shifted_mean_columns", over_replicas(1, shape.columns, width),
               shift_means<width>, rows, shape.columns, arguments, more, shift, matrix, output);
      },
      matrix, Replicas<float>(output, 0));
}

void trimmed_mean_columns(Context& context, const MatrixShape& shape, int trim,
                          Replicas<const float> matrix, float* output) {
  const int keep = shape.rows - 2 * trim;
  reduce_columns(
      context, shape,
      {.kind = keep <= 2 ? Reduction::median : Reduction::trimmed_mean, .trim = trim, .keep = keep},
      matrix, output);
}

void mean_near_median_columns(Context& context, const MatrixShape& shape, int keep,
                              Replicas<const float> matrix, float* output) {
  reduce_columns(context, shape, {.kind = Reduction::near_median, .keep = keep}, matrix, output);
}

}  // namespace redoubt::kernels::cuda
