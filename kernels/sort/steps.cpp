#include "kernels/sort/steps.h"

namespace redoubt::kernels {

namespace {

/// Rows first, first + stride, first + 2 · stride, ... of a run of `span` rows, a power of two
/// times the stride. Rows from `end` on are not there, as if they held the greatest values of all.
struct Run {
  int first;
  int span;
  int stride;
  int end;

  int rows() const { return span / stride; }
  bool whole() const { return first + (rows() - 1) * stride < end; }
};

void append_exchange(int low, int high, int end, SortSteps& steps) {
  if (high < end) steps.push_back({SortStep::exchange, low, high - low});
}

/// Of a run whose halves are sorted.
void append_merge(const Run& run, SortSteps& steps) {
  const auto [first, span, stride, end] = run;
  if (first >= end) return;
  const int rows = run.rows();
  if (run.whole() && (rows == 4 || rows == 8 || rows == 16)) {
    const auto kind = rows == 4   ? SortStep::merge4
                      : rows == 8 ? SortStep::merge8
                                  : SortStep::merge16;
    steps.push_back({kind, first, stride});
  } else if (rows == 2) {
    append_exchange(first, first + stride, end, steps);
  } else if (run.whole() && stride == 1) {
    for (int i = 0; i < 4; ++i) append_merge({first + i, span, 4, end}, steps);
    steps.push_back({SortStep::last_two_rounds, first, span});
  } else {
    append_merge({first, span, 2 * stride, end}, steps);
    append_merge({first + stride, span, 2 * stride, end}, steps);
    for (int row = first + stride; row + stride < first + span; row += 2 * stride) {
      append_exchange(row, row + stride, end, steps);
    }
  }
}

void append_sort(int first, int span, int end, SortSteps& steps) {
  if (first >= end || span < 2) return;
  if (span == 16 && first + span <= end) {
    steps.push_back({SortStep::sort16, first, 1});
    return;
  }
  const int half = span / 2;
  append_sort(first, half, end, steps);
  append_sort(first + half, half, end, steps);
  if (first + half < end) append_merge({first, span, 1, end}, steps);
}

int power_of_two_from(int rows) {
  int power = 1;
  while (power < rows) power *= 2;
  return power;
}

/// Two sorted runs, of which the first is not the shorter. Returns its length.
int append_two_runs(int rows, SortSteps& steps) {
  const int first = power_of_two_from(rows) / 2;
  append_sort(0, first, first, steps);
  append_sort(first, first, rows, steps);
  return first;
}

}  // namespace

SortSteps sorting_steps(int rows) {
  SortSteps steps;
  append_sort(0, power_of_two_from(rows), rows, steps);
  return steps;
}

SortSteps trimming_steps(int rows, int trim) {
  SortSteps steps;
  if (trim == 0) return steps;
  const int first = append_two_runs(rows, steps);
  if (rows - first < 2 * trim) return sorting_steps(rows);
  for (int i = 0; i < trim; ++i) {
    append_exchange(i, first + trim - 1 - i, rows, steps);
    append_exchange(first - 1 - i, rows - trim + i, rows, steps);
  }
  return steps;
}

SortSteps halving_steps(int rows) {
  SortSteps steps;
  if (rows < 2) return steps;
  const int first = append_two_runs(rows, steps);
  const int lesser = (rows + 1) / 2;
  for (int i = 0; i < lesser; ++i) append_exchange(i, first + lesser - 1 - i, rows, steps);
  return steps;
}

}  // namespace redoubt::kernels
