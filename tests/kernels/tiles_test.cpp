// Each instruction set's register tiles, of every height and width, against plain loops: a machine
// with the widest runs the others' tests, too.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/tiles_choice.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

std::vector<float> floats(int seed, std::int64_t count) {
  const Values values = random_values(seed, count);
  return {values.begin(), values.end()};
}

class EveryTable : public testing::TestWithParam<const kernels::Tiles*> {};

void check_product(const kernels::Tiles& table, int rows, bool narrow) {
  constexpr int kRuns = 3;
  constexpr int kRunLength = 5;
  constexpr int kSteps = kRuns * kRunLength;
  const int width = narrow ? table.width / 2 : table.width;
  const std::vector<float> a = floats(1, 2 * kSteps * rows);
  const std::vector<float> b = floats(2, 4 * kSteps + width);
  const std::vector<float> start = floats(3, rows);
  std::vector<long long> b_offsets;
  for (int step = 0; step < kSteps; ++step) b_offsets.push_back(4 * ((step * 7) % kSteps) + 1);
  const long long run_offsets[kRuns] = {kSteps * rows, 0, 3 * rows};
  const int stride = width + 3;
  std::vector<float> out(static_cast<std::size_t>(rows * stride), -1.0F);
  const auto function = (narrow ? table.narrow_product : table.product)[rows - 1];
  function({.a = a.data(),
            .b = b.data(),
            .b_offsets = b_offsets.data(),
            .start = start.data(),
            .run_offsets = run_offsets,
            .runs = kRuns,
            .run_length = kRunLength,
            .out = out.data(),
            .out_stride = stride});
  for (int m = 0; m < rows; ++m) {
    for (int j = 0; j < stride; ++j) {
      double want = j < width ? static_cast<double>(start[m]) : -1;
      for (int step = 0; j < width && step < kSteps; ++step) {
        const long long weight =
            run_offsets[step / kRunLength] + std::int64_t{step % kRunLength} * rows + m;
        want += static_cast<double>(a[weight]) * static_cast<double>(b[b_offsets[step] + j]);
      }
      EXPECT_NEAR(out[m * stride + j], want, 1e-5)
          << rows << " rows, " << width << " columns, at " << m << ", " << j;
    }
  }
}

TEST_P(EveryTable, MultipliesTilesOfEveryHeight) {
  for (int rows = 1; rows <= GetParam()->max_rows; ++rows) {
    check_product(*GetParam(), rows, false);
    check_product(*GetParam(), rows, true);
  }
}

void check_dot(const kernels::Tiles& table, int rows, int columns, int length, int segments) {
  const int step = length + 2;
  const int a_stride = segments * step + 1;
  const std::vector<float> a = floats(4, std::int64_t{rows} * a_stride);
  const std::vector<float> b = floats(5, std::int64_t{columns} + segments * step);
  std::vector<const float*> starts;
  for (int k = 0; k < columns; ++k) starts.push_back(b.data() + columns - 1 - k);
  std::vector<float> sums(static_cast<std::size_t>(rows * (columns + 1)), 2.0F);
  table.dot[(rows - 1) * table.dot_columns + columns - 1]({.a = a.data(),
                                                           .a_stride = a_stride,
                                                           .a_step = step,
                                                           .b = starts.data(),
                                                           .b_step = step,
                                                           .segments = segments,
                                                           .length = length,
                                                           .sums = sums.data(),
                                                           .sums_stride = columns + 1});
  for (int m = 0; m < rows; ++m) {
    for (int k = 0; k <= columns; ++k) {
      double want = 2;
      for (int s = 0; k < columns && s < segments; ++s) {
        for (int i = 0; i < length; ++i) {
          want += static_cast<double>(a[m * a_stride + s * step + i]) *
                  static_cast<double>(starts[k][s * step + i]);
        }
      }
      EXPECT_NEAR(sums[m * (columns + 1) + k], want, 2e-5)
          << rows << "x" << columns << ", length " << length << ", at " << m << ", " << k;
    }
  }
}

TEST_P(EveryTable, SumsDotTilesOfEveryHeightAndWidthAndLength) {
  for (int rows = 1; rows <= GetParam()->dot_rows; ++rows) {
    for (int columns = 1; columns <= GetParam()->dot_columns; ++columns) {
      for (const int length : {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 100}) {
        for (const int segments : {1, 3}) {
          check_dot(*GetParam(), rows, columns, length, segments);
        }
      }
    }
  }
}

void check_matrix(const kernels::Tiles& table, int rows, bool narrow, bool transposed, bool add) {
  constexpr int kInner = 9;
  const int width = narrow ? table.width / 2 : table.width;
  const int a_row = transposed ? 1 : kInner + 2;
  const int a_step = transposed ? rows + 3 : 1;
  const int b_stride = width + 5;
  const std::vector<float> a = floats(6, rows * (kInner + 2) + kInner * (rows + 3));
  const std::vector<float> b = floats(7, kInner * b_stride);
  const int stride = width + 1;
  std::vector<float> out(static_cast<std::size_t>(rows * stride), 0.5F);
  const auto function = (narrow ? table.narrow_matrix : table.matrix)[rows - 1];
  function({.a = a.data(),
            .a_row = a_row,
            .a_step = a_step,
            .b = b.data(),
            .b_stride = b_stride,
            .inner = kInner,
            .add = add,
            .out = out.data(),
            .out_stride = stride});
  for (int m = 0; m < rows; ++m) {
    for (int j = 0; j < stride; ++j) {
      double want = add || j == width ? 0.5 : 0;
      for (int k = 0; j < width && k < kInner; ++k) {
        want += static_cast<double>(a[m * a_row + k * a_step]) *
                static_cast<double>(b[k * b_stride + j]);
      }
      EXPECT_NEAR(out[m * stride + j], want, 1e-5)
          << rows << " rows, " << width << " columns, at " << m << ", " << j;
    }
  }
}

TEST_P(EveryTable, MultipliesMatricesOfEveryHeightAndLayout) {
  for (int rows = 1; rows <= GetParam()->max_rows; ++rows) {
    for (int choice = 0; choice < 8; ++choice) {
      check_matrix(*GetParam(), rows, (choice & 1) != 0, (choice & 2) != 0, (choice & 4) != 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryTable, testing::ValuesIn(kernels::available_tiles()),
                         [](const auto& table) { return std::string(table.param->name); });

}  // namespace

}  // namespace redoubt::test
