// Order statistics of columns on CUDA: a thread sorts one column by the network that the CPU uses,
// in registers as far as they go, then in shared memory; Thrust sorts longer ones.
#include "kernels/columns.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cuda_parts.h"
#include "kernels/sort/columns_in_registers.h"
#include "kernels/sort/keys.h"
#include "kernels/sort/network.h"

namespace redoubt::kernels::cuda {

namespace {

/// What a reduction takes of a column's sorted values value(0 ... rows - 1).
template <class Value>
__device__ float reduced(int rows, const Reduction& reduction, const Value& value) {
  if (reduction.kind == Reduction::near_median) {
    return mean_near_median(rows, reduction.keep, value);
  }
  double sum = 0;
  for (int r = reduction.trim; r < reduction.trim + reduction.keep; ++r) {
    sum += static_cast<double>(value(r));
  }
  return static_cast<float>(sum / reduction.keep);
}

/// Columns of more rows than registers hold, in shared memory [rows][threads], so that neighbours
/// touch neighbouring banks. 4 bytes an element from memory and about log₂²(rows) / 2 accesses of
/// shared memory for each.
__global__ void reduce_sorted_columns(int rows, std::int64_t columns, Reduction reduction,
                                      Replicas<const float> matrix, float* output) {
  REDOUBT_DYNAMIC_SHARED(float, shared);
  const std::int64_t column = global_thread();
  float* values = shared + threadIdx.x;
  if (column >= columns) return;
  const auto value = [&](int r) -> float& { return values[r * blockDim.x]; };
  for (int r = 0; r < rows; ++r) value(r) = matrix[r][column];
  sorting_network(rows, [&](int i, int j) {
    const float a = value(i);
    const float b = value(j);
    value(i) = a < b ? a : b;
    value(j) = a < b ? b : a;
  });
  output[column] = reduced(rows, reduction, value);
}

// ---- Columns of more rows than shared memory holds ----------------------------------------------

/// A number of a column as a key: keys are in order where columns are, and in a column where values
/// are.
__device__ std::uint64_t key_of(std::int64_t column, float value) {
  const unsigned bits = __float_as_uint(value);
  const unsigned ordered = bits ^ (bits >> 31 != 0 ? 0xffffffffU : 0x80000000U);
  return static_cast<std::uint64_t>(column) << 32 | ordered;
}

__device__ float value_of(std::uint64_t key) {
  const auto ordered = static_cast<unsigned>(key);
  return __uint_as_float(ordered ^ (ordered >> 31 != 0 ? 0x80000000U : 0xffffffffU));
}

/// keys [rows][columns] of the columns from `first` on. 4 bytes an element read and 8 written.
__global__ void write_keys(int rows, std::int64_t first, std::int64_t columns,
                           Replicas<const float> matrix, std::uint64_t* keys) {
  const std::int64_t column = global_thread();
  if (column >= columns) return;
  for (int r = 0; r < rows; ++r) {
    keys[r * columns + column] = key_of(column, matrix[r][first + column]);
  }
}

/// Sorted keys [columns][rows]. 8 bytes an element that the reduction takes.
__global__ void reduce_sorted_keys(int rows, std::int64_t columns, Reduction reduction,
                                   const std::uint64_t* keys, float* output) {
  const std::int64_t column = global_thread();
  if (column >= columns) return;
  const std::uint64_t* own = keys + column * rows;
  output[column] = reduced(rows, reduction, [&](int r) { return value_of(own[r]); });
}

void reduce_columns_by_keys(Context& context, const MatrixShape& shape, const Reduction& reduction,
                            Replicas<const float> matrix, float* output) {
  // 16 MiB, and Thrust's as many again: a GPU's second cache holds them.
  constexpr std::int64_t kKeysAtOnce = std::int64_t{1} << 21;
  const std::int64_t at_once =
      std::min(std::max<std::int64_t>(kKeysAtOnce / shape.rows, 1), shape.columns);
  auto* keys = context.scratch_of<std::uint64_t>(static_cast<std::size_t>(shape.rows * at_once));
  for (std::int64_t first = 0; first < shape.columns; first += at_once) {
    const std::int64_t columns = std::min(at_once, shape.columns - first);
    const LaunchShape a_thread_a_column = {
        .grid = {grid_extent(divide_up(columns, kBlock), kMostBlocks)}, .block = {kBlock}};
    launch(context, "write_keys", a_thread_a_column, write_keys, shape.rows, first, columns, matrix,
           keys);
    sort_keys(context, keys, shape.rows * columns);
    launch(context, "reduce_sorted_keys", a_thread_a_column, reduce_sorted_keys, shape.rows,
           columns, reduction, static_cast<const std::uint64_t*>(keys), output + first);
  }
}

void reduce_columns_in_memory(Context& context, const MatrixShape& shape,
                              const Reduction& reduction, Replicas<const float> matrix,
                              float* output) {
  // As many columns a block as fit into half of the shared memory that every GPU since sm_80 has.
  constexpr std::int64_t kSharedFloats = 80 * 1024 / sizeof(float);
  const std::int64_t fitting = kSharedFloats / std::max(shape.rows, 1) / kWarp * kWarp;
  if (fitting == 0) return reduce_columns_by_keys(context, shape, reduction, matrix, output);
  const auto threads = static_cast<unsigned>(std::min<std::int64_t>(fitting, 128));
  launch(context, "reduce_sorted_columns",
         {.grid = {grid_extent(divide_up(shape.columns, threads), kMostBlocks)},
          .block = {threads},
          .shared_bytes = static_cast<std::size_t>(shape.rows) * threads * sizeof(float)},
         reduce_sorted_columns, shape.rows, shape.columns, reduction, matrix, output);
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
    const double weight = weights[r];
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
