// Arithmetic on a fleet's matrix on CUDA, bound by memory bandwidth; gram.cu has the Gram matrix.
// Factors and weights of rows travel as kernel arguments: no copy, nothing to wait for,
// and a captured graph keeps them.
#include "kernels/rows.h"

#include <vector>

#include "base/check.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda {

namespace {

/// One number for each of up to kMost rows; 2 KB at most, of the 4 KB that arguments may have.
template <class T>
struct RowNumbers {
  static constexpr int kMost = 256;
  T at[kMost];
};

/// Calls body(first row, rows, numbers) for groups of rows in ascending order.
template <class T, class Body>
void for_row_groups(std::span<const T> numbers, const Body& body) {
  const int rows = static_cast<int>(numbers.size());
  for (int first = 0; first < rows; first += RowNumbers<T>::kMost) {
    const int count = std::min(RowNumbers<T>::kMost, rows - first);
    RowNumbers<T> group = {};
    std::copy_n(numbers.begin() + first, count, group.at);
    body(first, count, group);
  }
}

/// y += factor · x. 12 bytes an element.
template <int kWidth>
__global__ void add_scaled(std::int64_t size, float factor, Replicas<const float> x,
                           Replicas<float> y) {
  const std::int64_t i = pack_index(kWidth);
  if (i >= size) return;
  const int r = static_cast<int>(blockIdx.y);
  const Pack<float, kWidth> from = load<kWidth>(x[r] + i);
  Pack<float, kWidth> to = load<kWidth>(y[r] + i);
  for (int j = 0; j < kWidth; ++j) to.at[j] += factor * from.at[j];
  store(y[r] + i, to);
}

/// y[r] += factor · x. 8 bytes an element, and 4 a column for x.
template <int kWidth>
__global__ void add_scaled_row(int rows, std::int64_t size, float factor, const float* x,
                               Replicas<float> y) {
  const RowGroup own(rows);
  const std::int64_t i = own.pack_index(kWidth);
  if (i >= size) return;
  const Pack<float, kWidth> from = load<kWidth>(x + i);
  Pack<float, kWidth> to[kGroupRows];
#pragma unroll
  for (int r = 0; r < kGroupRows; ++r) {
    if (r < own.count) to[r] = load<kWidth>(y[own.first + r] + i);
  }
#pragma unroll
  for (int r = 0; r < kGroupRows; ++r) {
    if (r >= own.count) break;
    for (int j = 0; j < kWidth; ++j) to[r].at[j] += factor * from.at[j];
    store(y[own.first + r] + i, to[r]);
  }
}

/// 12 bytes an element.
template <int kWidth>
__global__ void add_two(std::int64_t size, Replicas<const float> x, Replicas<const float> y,
                        Replicas<float> output) {
  const std::int64_t i = pack_index(kWidth);
  if (i >= size) return;
  const int r = static_cast<int>(blockIdx.y);
  Pack<float, kWidth> sum = load<kWidth>(x[r] + i);
  const Pack<float, kWidth> other = load<kWidth>(y[r] + i);
  for (int j = 0; j < kWidth; ++j) sum.at[j] += other.at[j];
  store(output[r] + i, sum);
}

/// 8 bytes an element.
template <int kWidth>
__global__ void scale_row(std::int64_t size, RowNumbers<float> factors, Replicas<float> matrix) {
  const std::int64_t i = pack_index(kWidth);
  if (i >= size) return;
  const int r = static_cast<int>(blockIdx.y);
  Pack<float, kWidth> values = load<kWidth>(matrix[r] + i);
  for (int j = 0; j < kWidth; ++j) values.at[j] *= factors.at[r];
  store(matrix[r] + i, values);
}

/// A thread keeps the sums of its columns in registers and walks down the rows, several of which
/// are in flight at once. 4 bytes an element, and 16 a column for `sum` or 4 for `output` (one of
/// the two is null). Starts from `sum` if it is given, else from 0.
template <int kWidth>
__global__ void sum_weighted_rows(int rows, std::int64_t columns, RowNumbers<double> weights,
                                  Replicas<const float> matrix, double* sum, float* output) {
  const std::int64_t i = pack_index(kWidth);
  if (i >= columns) return;
  double total[kWidth] = {};
  for (int j = 0; j < kWidth && sum != nullptr; ++j) total[j] = sum[i + j];
#pragma unroll 8
  for (int r = 0; r < rows; ++r) {
    const Pack<float, kWidth> values = load<kWidth>(matrix[r] + i);
    const double weight = weights.at[r];
    for (int j = 0; j < kWidth; ++j) {
      total[j] += weight == 0 ? 0 : weight * static_cast<double>(values.at[j]);
    }
  }
  Pack<float, kWidth> rounded;
  for (int j = 0; j < kWidth; ++j) {
    if (sum != nullptr) sum[i + j] = total[j];
    rounded.at[j] = static_cast<float>(total[j]);
  }
  if (output != nullptr) store(output + i, rounded);
}

__global__ void round_to_float(std::int64_t count, const double* from, float* to) {
  const std::int64_t i = pack_index(1);
  if (i < count) to[i] = static_cast<float>(from[i]);
}

/// 16 bytes an element.
__global__ void step_along_mean(std::int64_t count, double factor, double weight, const double* sum,
                                float* row) {
  const std::int64_t i = pack_index(1);
  if (i < count)
    row[i] = static_cast<float>(static_cast<double>(row[i]) + factor * sum[i] / weight);
}

/// Squares of the matrix less `row`, which may be null. 4 bytes an element, and 4 a column for
/// `row`. chunk_sums [rows][chunks].
template <int kWidth>
__global__ void square_chunks(RowChunks chunks, Replicas<const float> matrix, const float* row,
                              double* chunk_sums) {
  const RowGroup own(chunks.rows);
  double sums[kGroupRows] = {};
  chunks.for_packs<kWidth>(own, [&](std::int64_t i) {
    Pack<float, kWidth> centre = {};
    if (row != nullptr) centre = load<kWidth>(row + i);
    Pack<float, kWidth> packs[kGroupRows];
#pragma unroll
    for (int r = 0; r < kGroupRows; ++r) {
      packs[r] = r < own.count ? load<kWidth>(matrix[own.first + r] + i) : centre;
    }
    for (int j = 0; j < kWidth; ++j) {
      const auto middle = static_cast<double>(centre.at[j]);
#pragma unroll
      for (int r = 0; r < kGroupRows; ++r) {
        const double value = static_cast<double>(packs[r].at[j]) - middle;
        sums[r] += value * value;
      }
    }
  });
#pragma unroll
  for (int r = 0; r < kGroupRows; ++r) {
    if (r >= own.count) break;
    const double sum = block_sum(sums[r]);
    if (threadIdx.x == 0) chunk_sums[(own.first + r) * chunks.chunks + own.place] = sum;
  }
}

/// A block adds up the chunks of one row.
__global__ void add_chunks(int chunks, const double* chunk_sums, double* sums) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < chunks; i += static_cast<int>(blockDim.x)) {
    sum += chunk_sums[static_cast<std::int64_t>(blockIdx.x) * chunks + i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// Marks the rows that hold NaN or infinity. 4 bytes an element.
template <int kWidth>
__global__ void find_not_finite(ChannelChunks chunks, Replicas<const float> matrix, int* found) {
  const Chunk chunk(chunks);
  const float* values = matrix[chunk.replica] + chunk.start;
  int here = 0;
  for (int i = static_cast<int>(threadIdx.x) * kWidth; i < chunk.count;
       i += static_cast<int>(blockDim.x) * kWidth) {
    const Pack<float, kWidth> pack = load<kWidth>(values + i);
    // x - x is 0 for finite x and NaN otherwise.
    for (int j = 0; j < kWidth; ++j) here |= pack.at[j] - pack.at[j] == 0 ? 0 : 1;
  }
  if (here != 0) atomicOr(found + chunk.replica, 1);
}

}  // namespace

void subtract_row(Context& context, const MatrixShape& shape, const float* row,
                  Replicas<float> matrix) {
  cuda::axpy_rows(context, shape, -1, {row, 0}, matrix);
}

void scale_rows(Context& context, const MatrixShape& shape, std::span<const float> factors,
                Replicas<float> matrix) {
  check(std::ssize(factors) == shape.rows, "one factor a row");
  for_row_groups(factors, [&](int first, int rows, const RowNumbers<float>& group) {
    with_pack_width(
        shape.columns,
        [&](auto width) {
          launch(context, "scale_rows", over_replicas(rows, shape.columns, width), scale_row<width>,
                 shape.columns, group, matrix.from(first));
        },
        matrix);
  });
}

void axpy_rows(Context& context, const MatrixShape& shape, float factor, Replicas<const float> x,
               Replicas<float> y) {
  with_pack_width(
      shape.columns,
      [&](auto width) {
        if (x.pitch == 0) {
          launch(context, "axpy_row", over_row_groups(shape.rows, shape.columns, width),
                 add_scaled_row<width>, shape.rows, shape.columns, factor, x.data, y);
          return;
        }
        launch(context, "axpy_rows", over_replicas(shape.rows, shape.columns, width),
               add_scaled<width>, shape.columns, factor, x, y);
      },
      x, y);
}

namespace {

/// sum[j] += Σ_r, for one group of rows after the other; or output[j] = Σ_r of the only group.
void add_row_groups(Context& context, const MatrixShape& shape, std::span<const double> weights,
                    Replicas<const float> matrix, double* sum, float* output) {
  for_row_groups(weights, [&](int first, int rows, const RowNumbers<double>& group) {
    with_pack_width(
        shape.columns,
        [&](auto width) {
          launch(context, "weighted_sum_rows", over_replicas(1, shape.columns, width),
                 sum_weighted_rows<width>, rows, shape.columns, group, matrix.from(first), sum,
                 output);
        },
        matrix, Replicas<float>(output, 0));
  });
}

}  // namespace

void add_rows(Context& context, const MatrixShape& shape, Replicas<const float> x,
              Replicas<const float> y, Replicas<float> output) {
  with_pack_width(
      shape.columns,
      [&](auto width) {
        launch(context, "add_rows", over_replicas(shape.rows, shape.columns, width), add_two<width>,
               shape.columns, x, y, output);
      },
      x, y, output);
}

void add_weighted_rows(Context& context, const MatrixShape& shape, std::span<const double> weights,
                       Replicas<const float> matrix, double* sum) {
  check(std::ssize(weights) == shape.rows, "one weight a row");
  add_row_groups(context, shape, weights, matrix, sum, nullptr);
}

void weighted_sum_rows(Context& context, const MatrixShape& shape, std::span<const double> weights,
                       Replicas<const float> matrix, float* output) {
  check(std::ssize(weights) == shape.rows, "one weight a row");
  if (shape.rows > 0 && shape.rows <= RowNumbers<double>::kMost) {
    add_row_groups(context, shape, weights, matrix, nullptr, output);
    return;
  }
  auto* sum = context.scratch_of<double>(static_cast<std::size_t>(shape.columns));
  context.fill_zero(sum, static_cast<std::size_t>(shape.columns) * sizeof(double));
  add_row_groups(context, shape, weights, matrix, sum, nullptr);
  launch(context, "round_to_float", over_replicas(1, shape.columns, 1), round_to_float,
         shape.columns, static_cast<const double*>(sum), output);
}

void add_mean(Context& context, std::int64_t columns, float factor, double weight,
              const double* sum, float* row) {
  launch(context, "add_mean", over_replicas(1, columns, 1), step_along_mean, columns,
         static_cast<double>(factor), weight, sum, row);
}

void squared_norms(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                   std::span<double> norms) {
  cuda::squared_distances(context, shape, matrix, nullptr, norms);
}

void squared_distances(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                       const float* row, std::span<double> distances) {
  check(std::ssize(distances) == shape.rows, "one sum a row");
  if (distances.empty()) return;
  const RowChunks chunks(shape.rows, shape.columns);
  const auto rows = static_cast<std::size_t>(shape.rows);
  auto* sums = context.scratch_of<double>(rows * (1 + static_cast<std::size_t>(chunks.chunks)));
  double* chunk_sums = sums + rows;
  with_pack_width(
      shape.columns,
      [&](auto width) {
        launch(context, row == nullptr ? "squared_norms" : "squared_distances",
               chunks.launch_shape(width), square_chunks<width>, chunks, matrix, row, chunk_sums);
      },
      matrix, Replicas<const float>(row, 0));
  launch(context, "add_chunks",
         {.grid = {grid_extent(shape.rows, kMostBlocks)}, .block = {threads_for(chunks.chunks)}},
         add_chunks, chunks.chunks, static_cast<const double*>(chunk_sums), sums);
  context.copy_to_host(distances.data(), sums, distances.size_bytes());
}

void finite_rows(Context& context, const MatrixShape& shape, Replicas<const float> matrix,
                 std::span<std::uint8_t> finite) {
  check(std::ssize(finite) == shape.rows, "one flag a row");
  if (finite.empty()) return;
  const ChannelChunks chunks(shape.rows, 1, shape.columns);
  auto* found = context.scratch_of<int>(finite.size());
  context.fill_zero(found, finite.size() * sizeof(int));
  with_pack_width(
      shape.columns,
      [&](auto width) {
        launch(context, "finite_rows", chunks.launch_shape(width), find_not_finite<width>, chunks,
               matrix, found);
      },
      matrix);
  std::vector<int> marks(finite.size());
  context.copy_to_host(marks.data(), found, marks.size() * sizeof(int));
  std::transform(marks.begin(), marks.end(), finite.begin(),
                 [](int mark) { return static_cast<std::uint8_t>(mark == 0 ? 1 : 0); });
}

}  // namespace redoubt::kernels::cuda
