// Programs that sort columns, on each instruction set's tiles, against the library's sort.
#include "kernels/sort/steps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/tiles_choice.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {
namespace {

using Column = std::vector<float>;

/// All numbers of rows, and those around the lengths of runs.
const std::vector<int> kRowCounts = {1,  2,  3,  4,  5,  7,  8,   9,   11,  15,
                                     16, 17, 18, 24, 31, 32, 33,  36,  40,  47,
                                     48, 50, 63, 64, 65, 80, 100, 127, 128, 200};

class EverySort : public testing::TestWithParam<const kernels::Tiles*> {
 protected:
  /// Random columns as the steps leave them, beside the same columns sorted.
  struct Outcome {
    std::vector<Column> left;
    std::vector<Column> sorted;
  };
  Outcome run(const kernels::SortSteps& steps, int rows, bool ties) const {
    const int width = GetParam()->width;
    std::vector<float> values;
    for (const double value : random_values(61, std::int64_t{rows} * width)) {
      values.push_back(static_cast<float>(ties ? std::round(2 * value) : value));
    }
    Outcome outcome;
    outcome.sorted = columns_of(values, rows);
    for (Column& column : outcome.sorted) std::sort(column.begin(), column.end());
    GetParam()->sort_columns(steps.data(), static_cast<int>(steps.size()), values.data());
    outcome.left = columns_of(values, rows);
    return outcome;
  }

 private:
  std::vector<Column> columns_of(const std::vector<float>& values, int rows) const {
    const auto width = static_cast<std::size_t>(GetParam()->width);
    std::vector<Column> columns(width);
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows) * width; ++i) {
      columns[i % width].push_back(values[i]);
    }
    return columns;
  }
};

/// Sorts rows [first, end) of every column.
std::vector<Column> with_sorted(std::vector<Column> columns, int first, int end) {
  for (Column& column : columns) std::sort(column.begin() + first, column.begin() + end);
  return columns;
}

TEST_P(EverySort, SortsAnyNumberOfRows) {
  for (const bool ties : {false, true}) {
    for (const int rows : kRowCounts) {
      const Outcome outcome = run(kernels::sorting_steps(rows), rows, ties);
      EXPECT_EQ(outcome.left, outcome.sorted) << rows << " rows";
    }
  }
}

TEST_P(EverySort, PutsTheLeastAndTheGreatestToTheEnds) {
  for (const bool ties : {false, true}) {
    for (const int rows : kRowCounts) {
      for (int trim = 0; 2 * trim < rows; trim += 1 + trim / 4) {
        const Outcome outcome = run(kernels::trimming_steps(rows, trim), rows, ties);
        std::vector<Column> left = with_sorted(outcome.left, 0, trim);
        left = with_sorted(left, trim, rows - trim);
        left = with_sorted(left, rows - trim, rows);
        EXPECT_EQ(left, outcome.sorted) << rows << " rows, " << trim << " off either end";
      }
    }
  }
}

TEST_P(EverySort, PutsTheLesserHalfFirst) {
  for (const bool ties : {false, true}) {
    for (const int rows : kRowCounts) {
      const Outcome outcome = run(kernels::halving_steps(rows), rows, ties);
      const int half = (rows + 1) / 2;
      EXPECT_EQ(with_sorted(with_sorted(outcome.left, 0, half), half, rows), outcome.sorted)
          << rows << " rows";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiles, EverySort, testing::ValuesIn(kernels::available_tiles()),
                         [](const auto& table) { return table.param->name; });

}  // namespace
}  // namespace redoubt::test
