// Order statistics of columns of up to 64 rows on CUDA. A register has no index at run time, so the
// network is unrolled for a few even lengths and a column is filled up to the next of them with
// infinities at both ends: that keeps its middle in the middle.
#include "kernels/sort/columns_in_registers.h"

#include <array>
#include <utility>

#include "kernels/cuda_parts.h"
#include "kernels/sort/network.h"

namespace redoubt::kernels::cuda {

namespace {

constexpr float kInfinity = __builtin_huge_valf();

struct Exchange {
  int low;
  int high;
};

template <int kRows>
constexpr int exchange_count() {
  int count = 0;
  sorting_network(kRows, [&](int, int) { ++count; });
  return count;
}

template <int kRows>
constexpr auto exchanges() {
  std::array<Exchange, exchange_count<kRows>()> all = {};
  std::size_t next = 0;
  sorting_network(kRows, [&](int i, int j) { all[next++] = {i, j}; });
  return all;
}

template <int kLow, int kHigh, int kRows>
__device__ inline void exchange(float (&values)[kRows]) {
  const float a = values[kLow];
  const float b = values[kHigh];
  values[kLow] = fminf(a, b);
  values[kHigh] = fmaxf(a, b);
}

template <int kRows, std::size_t... kPlaces>
__device__ inline void sort(float (&values)[kRows], std::index_sequence<kPlaces...> /*places*/) {
  constexpr auto kAll = exchanges<kRows>();
  (exchange<kAll[kPlaces].low, kAll[kPlaces].high>(values), ...);
}

/// The first of the `keep` sorted values nearest to `median`, the lesser of two equally near: the
/// window of `keep` moves up while the value that it would lose is farther than the one it gains.
/// The first `below` are filling, which it always leaves: even where both distances overflow.
template <int kRows>
__device__ inline int first_near(const float (&values)[kRows], int below, int keep, double median) {
  float gained[kRows];  // gained[i] = values[i + keep], by as many places as `keep` has bits
#pragma unroll
  for (int i = 0; i < kRows; ++i) gained[i] = values[i];
#pragma unroll
  for (int step = 1; step <= kRows; step *= 2) {
    if ((keep & step) == 0) continue;
#pragma unroll
    for (int i = 0; i < kRows; ++i) gained[i] = i + step < kRows ? gained[i + step] : kInfinity;
  }
  int first = 0;
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const bool farther =
        median - static_cast<double>(values[i]) > static_cast<double>(gained[i]) - median;
    first += i < below || farther ? 1 : 0;
  }
  return first;
}

/// mean_near_median() of a column in registers.
template <int kRows>
__device__ inline float mean_near(const float (&values)[kRows], int below, int keep,
                                  double median) {
  const int first = first_near(values, below, keep, median);
  NearMedian near;
  near.median = median;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const double distance = near.distance(static_cast<double>(values[r]));
    if (r >= first && r < first + keep && distance > near.farthest) near.farthest = distance;
  }
  // Filling is infinitely far.
#pragma unroll
  for (int r = 0; r < kRows; ++r) near.add(static_cast<double>(values[r]));
  return near.mean(keep);
}

/// A thread takes a column. 4 bytes an element, all of a column's loads in flight at once, and
/// about kRows · log₂²(kRows) / 2 instructions a column; of a median the compiler leaves out what
/// does not lead to the middle. Columns are filled up by `below` minus infinities.
template <int kRows, int kKind>
__global__ void reduce_columns_of(int rows, int below, std::int64_t columns, Reduction reduction,
                                  Replicas<const float> matrix, float* output) {
  const std::int64_t column = global_thread();
  if (column >= columns) return;
  float values[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    values[r] = r < rows ? matrix[r][column] : (r < rows + below ? -kInfinity : kInfinity);
  }
  sort(values, std::make_index_sequence<exchange_count<kRows>()>());
  const float lower = values[kRows / 2 - 1];
  const float upper = values[kRows / 2];
  const double median = rows % 2 == 1
                            ? static_cast<double>(lower)
                            : (static_cast<double>(lower) + static_cast<double>(upper)) / 2;
  if constexpr (kKind == Reduction::median) {
    output[column] = static_cast<float>(median);
  } else if constexpr (kKind == Reduction::near_median) {
    output[column] = mean_near(values, below, reduction.keep, median);
  } else {
    const int first = below + reduction.trim;
    double sum = 0;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (r >= first && r < first + reduction.keep) sum += static_cast<double>(values[r]);
    }
    output[column] = static_cast<float>(sum / reduction.keep);
  }
}

template <int kRows>
void launch_for(Context& context, const MatrixShape& shape, const Reduction& reduction,
                Replicas<const float> matrix, float* output) {
  const auto kernel = reduction.kind == Reduction::median
                          ? reduce_columns_of<kRows, Reduction::median>
                      : reduction.kind == Reduction::near_median
                          ? reduce_columns_of<kRows, Reduction::near_median>
                          : reduce_columns_of<kRows, Reduction::trimmed_mean>;
  // Long columns take many registers: small blocks of them waste the fewest.
  const unsigned threads = std::min(threads_for(shape.columns), kRows > 16 ? 128U : 256U);
  launch(
      context, "reduce_columns",
      {.grid = {grid_extent(divide_up(shape.columns, threads), kMostBlocks)}, .block = {threads}},
      kernel, shape.rows, (kRows - shape.rows) / 2, shape.columns, reduction, matrix, output);
}

/// The first of the lengths that holds the columns.
template <int... kLengths>
bool launch_first_fit(Context& context, const MatrixShape& shape, const Reduction& reduction,
                      Replicas<const float> matrix, float* output) {
  static_assert(((kLengths % 2 == 0) && ...), "columns keep their middle");
  bool done = false;
  const auto offer = [&](auto length) {
    if (done || shape.rows > length) return;
    launch_for<length>(context, shape, reduction, matrix, output);
    done = true;
  };
  (offer(std::integral_constant<int, kLengths>()), ...);
  return done;
}

}  // namespace

bool reduce_columns_in_registers(Context& context, const MatrixShape& shape,
                                 const Reduction& reduction, Replicas<const float> matrix,
                                 float* output) {
  return launch_first_fit<4, 10, 16, 32, 50, 64>(context, shape, reduction, matrix, output);
}

}  // namespace redoubt::kernels::cuda
