// Order statistics of columns on CUDA: a thread sorts one column by the network that the CPU uses,
// in shared memory [rows][threads], so that neighbours touch neighbouring banks.
#include "kernels/columns.h"

#include <numeric>
#include <vector>

#include "kernels/cuda_parts.h"
#include "kernels/sorting_network.h"

namespace redoubt::kernels::cuda {

namespace {

/// What is taken of a sorted column: `keep` values, those nearest to the median or those after the
/// first `trim`.
struct Reduction {
  int trim = 0;
  int keep = 0;
  bool near_median = false;
};

/// Takes 4 bytes an element from memory and about log₂²(rows) / 2 accesses of shared memory for
/// each. With `spare` given, columns are sorted there instead, [rows][grid threads].
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
  const int first =
      reduction.near_median ? nearest_to_median(rows, reduction.keep, value) : reduction.trim;
  double sum = 0;
  for (int r = first; r < first + reduction.keep; ++r) sum += static_cast<double>(value(r));
  output[column] = static_cast<float>(sum / reduction.keep);
}

void reduce_columns(Context& context, const MatrixShape& shape, const Reduction& reduction,
                    Replicas<const float> matrix, float* output) {
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

/// A thread walks down one column twice; the second time it comes from the cache. 4 to 8 bytes an
/// element. shares [rows], in device memory, sum to 1.
__global__ void shift_means(int rows, std::int64_t columns, const double* shares, double shift,
                            Replicas<const float> matrix, float* output) {
  const std::int64_t column = global_thread();
  if (column >= columns) return;
  double mean = 0;
  for (int r = 0; r < rows; ++r) {
    if (shares[r] != 0) mean += shares[r] * static_cast<double>(matrix[r][column]);
  }
  double squares = 0;
  for (int r = 0; r < rows; ++r) {
    if (shares[r] == 0) continue;
    const double distance = static_cast<double>(matrix[r][column]) - mean;
    squares += shares[r] * distance * distance;
  }
  output[column] = static_cast<float>(mean + shift * sqrt(squares));
}

}  // namespace

void shifted_mean_columns(Context& context, const MatrixShape& shape,
                          std::span<const double> weights, double shift,
                          Replicas<const float> matrix, float* output) {
  std::vector<double> shares(weights.begin(), weights.end());
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= all;
  auto* on_device = context.scratch_of<double>(shares.size());
  context.copy_to_device(on_device, shares.data(), shares.size() * sizeof(double));
  launch(context, "shifted_mean_columns",
         {.grid = {grid_extent(divide_up(shape.columns, kBlock), kMostBlocks)}, .block = {kBlock}},
         shift_means, shape.rows, shape.columns, static_cast<const double*>(on_device), shift,
         matrix, output);
}

void trimmed_mean_columns(Context& context, const MatrixShape& shape, int trim,
                          Replicas<const float> matrix, float* output) {
  reduce_columns(context, shape, {.trim = trim, .keep = shape.rows - 2 * trim}, matrix, output);
}

void mean_near_median_columns(Context& context, const MatrixShape& shape, int keep,
                              Replicas<const float> matrix, float* output) {
  reduce_columns(context, shape, {.keep = keep, .near_median = true}, matrix, output);
}

}  // namespace redoubt::kernels::cuda
