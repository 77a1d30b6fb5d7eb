// Aggregation rules as their papers define them, in plain loops on rows of doubles.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace redoubt::test {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

double squared_distance(const Row& a, const Row& b);
double norm(const Row& a);
Row mean_of(const Rows& rows, const std::vector<double>& weights);
std::vector<double> ones(std::size_t count);
/// Which of `rows` Krum chooses.
std::size_t krum_choice(const Rows& rows, int f);
Row of_each_column(const Rows& rows, const std::function<double(Row)>& reduce);
double mean_between(const Row& sorted, std::size_t first, std::size_t end);
Row bulyan(Rows rows, int f);
Row multi_krum(const Rows& rows, int f, std::size_t selected);
Row geometric_median(const Rows& rows, const std::vector<double>& counts);
/// FedAvg of updates no longer than a bound.
Row clipped_mean(Rows rows, const std::vector<double>& counts, double bound);
/// FedAvg of those of at most twice the median length.
Row short_ones(const Rows& rows, std::vector<double> counts);
/// The authors' code, line by line, on one round's updates.
Row foolsgold(const Rows& rows, std::size_t first, std::size_t size);

}  // namespace redoubt::test
