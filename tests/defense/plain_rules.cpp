#include "tests/defense/plain_rules.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace redoubt::test {

double squared_distance(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

double norm(const Row& a) { return std::sqrt(squared_distance(a, Row(a.size()))); }

Row mean_of(const Rows& rows, const std::vector<double>& weights) {
  Row mean(rows.front().size());
  double all = 0;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    all += weights[k];
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weights[k] * rows[k][i];
  }
  for (double& value : mean) value = all == 0 ? 0 : value / all;
  return mean;
}

std::vector<double> ones(std::size_t count) { return std::vector<double>(count, 1.0); }

std::size_t krum_choice(const Rows& rows, int f) {
  std::size_t best = 0;
  double best_score = INFINITY;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row distances;
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if (i != j) distances.push_back(squared_distance(rows[i], rows[j]));
    }
    std::sort(distances.begin(), distances.end());
    const int nearest = std::max(1, static_cast<int>(rows.size()) - f - 2);
    double score = 0;
    for (int j = 0; j < std::min<int>(nearest, static_cast<int>(distances.size())); ++j) {
      score += distances[j];
    }
    if (score < best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

Row of_each_column(const Rows& rows, const std::function<double(Row)>& reduce) {
  Row result;
  for (std::size_t c = 0; c < rows.front().size(); ++c) {
    Row column;
    for (const Row& row : rows) column.push_back(row[c]);
    std::sort(column.begin(), column.end());
    result.push_back(reduce(column));
  }
  return result;
}

double mean_between(const Row& sorted, std::size_t first, std::size_t end) {
  return std::accumulate(sorted.begin() + static_cast<std::ptrdiff_t>(first),
                         sorted.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
         static_cast<double>(end - first);
}

Row bulyan(Rows rows, int f) {
  const std::size_t theta = rows.size() - static_cast<std::size_t>(2 * f);
  Rows selected;
  while (selected.size() < theta) {
    const std::size_t best = krum_choice(rows, f);
    selected.push_back(rows[best]);
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(best));
  }
  const std::size_t beta = theta - static_cast<std::size_t>(2 * f);
  return of_each_column(selected, [&](Row column) {
    const std::size_t n = column.size();
    const double median = (column[(n - 1) / 2] + column[n / 2]) / 2;
    std::stable_sort(column.begin(), column.end(), [&](double a, double b) {
      return std::abs(a - median) < std::abs(b - median);
    });
    return mean_between(column, 0, beta);
  });
}

Row multi_krum(const Rows& rows, int f, std::size_t selected) {
  std::vector<std::pair<double, std::size_t>> scores;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row distances;
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if (i != j) distances.push_back(squared_distance(rows[i], rows[j]));
    }
    std::sort(distances.begin(), distances.end());
    const auto nearest = rows.size() - static_cast<std::size_t>(f) - 2;
    scores.emplace_back(mean_between(distances, 0, nearest), i);
  }
  std::sort(scores.begin(), scores.end());
  Rows chosen;
  for (std::size_t i = 0; i < selected; ++i) chosen.push_back(rows[scores[i].second]);
  return mean_of(chosen, ones(selected));
}

Row geometric_median(const Rows& rows, const std::vector<double>& counts) {
  Row v = mean_of(rows, counts);
  for (int i = 0; i < 10; ++i) {
    std::vector<double> beta;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      beta.push_back(counts[k] / std::max(1e-6, std::sqrt(squared_distance(v, rows[k]))));
    }
    v = mean_of(rows, beta);
  }
  return v;
}

Row clipped_mean(Rows rows, const std::vector<double>& counts, double bound) {
  for (Row& row : rows) {
    const double scale = std::min(1.0, bound / norm(row));
    for (double& value : row) value *= scale;
  }
  return mean_of(rows, counts);
}

Row short_ones(const Rows& rows, std::vector<double> counts) {
  Row norms;
  for (const Row& row : rows) norms.push_back(norm(row));
  Row sorted = norms;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[(sorted.size() - 1) / 2];
  for (std::size_t k = 0; k < rows.size(); ++k) {
    if (norms[k] > 2 * median) counts[k] = 0;
  }
  return mean_of(rows, counts);
}

Row foolsgold(const Rows& rows, std::size_t first, std::size_t size) {
  const std::size_t n = rows.size();
  std::vector<Row> cs(n, Row(n));
  Row maxcs(n, -INFINITY);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double ij = 0;
      double ii = 0;
      double jj = 0;
      for (std::size_t c = first; c < first + size; ++c) {
        ij += rows[i][c] * rows[j][c];
        ii += rows[i][c] * rows[i][c];
        jj += rows[j][c] * rows[j][c];
      }
      cs[i][j] = ij / std::sqrt(ii * jj) - (i == j ? 1 : 0);
      if (i != j) maxcs[i] = std::max(maxcs[i], cs[i][j]);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      if (i != j && maxcs[i] < maxcs[j]) cs[i][j] *= maxcs[i] / maxcs[j];
    }
  }
  Row wv(n);
  for (std::size_t i = 0; i < n; ++i) {
    wv[i] = std::clamp(1 - *std::max_element(cs[i].begin(), cs[i].end()), 0.0, 1.0);
  }
  const double best = *std::max_element(wv.begin(), wv.end());
  for (double& w : wv) {
    w /= best;
    if (w == 1) w = .99;
    w = std::clamp(std::log(w / (1 - w)) + 0.5, 0.0, 1.0);
  }
  return mean_of(rows, wv);
}

}  // namespace redoubt::test
