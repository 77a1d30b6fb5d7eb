#include "defense/outlier_detector.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/multiversion.h"

namespace redoubt {

namespace {

/// Fragments worked on at a time; fixed, so that sums do not depend on the threads.
constexpr std::int64_t kBlock = 2048;

int block_count(std::int64_t fragments) {
  return static_cast<int>((fragments + kBlock - 1) / kBlock);
}

REDOUBT_MULTIVERSION
double product(const double* a, const double* b, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

REDOUBT_MULTIVERSION
void subtract_multiple(double factor, const double* from, double* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] -= factor * from[i];
}

REDOUBT_MULTIVERSION
void add_scaled_square(double scale, double* values, double* sum, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] *= scale;
    sum[i] += values[i] * values[i];
  }
}

/// A block's numbers less `mean`, as [size][count] doubles. `chosen` lists fragments, or is empty.
void load_block(const Fragments& fragments, const std::vector<std::int64_t>& chosen,
                const std::vector<double>& mean, std::int64_t first, std::int64_t count,
                std::vector<double>& block) {
  block.resize(fragments.size * count);
  for (int c = 0; c < fragments.size; ++c) {
    const float* from = fragments.component(c);
    const double centre = mean[c];
    double* to = block.data() + c * count;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = chosen.empty() ? first + i : chosen[first + i];
      to[i] = static_cast<double>(from[at]) - centre;
    }
  }
}

/// Σ over blocks of what body(block of numbers, count, sums) adds to `size` sums, in order.
template <class Body>
std::vector<double> sum_over_blocks(const Fragments& fragments,
                                    const std::vector<std::int64_t>& chosen,
                                    const std::vector<double>& mean, std::size_t size, int threads,
                                    const Body& body) {
  const std::int64_t total = chosen.empty() ? fragments.count() : std::ssize(chosen);
  const int blocks = block_count(total);
  // A few blocks' sums at a time, added in order: memory stays small, bits do not change.
  constexpr int kGroup = 64;
  std::vector<double> sum(size);
  std::vector<std::vector<double>> parts(kGroup);
  for (int group = 0; group < blocks; group += kGroup) {
    const int here = std::min(kGroup, blocks - group);
    parallel_for(here, threads, [&](int i, int /*worker*/) {
      std::vector<double> block;
      const std::int64_t first = (group + i) * kBlock;
      const std::int64_t count = std::min(kBlock, total - first);
      load_block(fragments, chosen, mean, first, count, block);
      parts[i].assign(size, 0.0);
      body(block, count, parts[i]);
    });
    for (int i = 0; i < here; ++i) {
      for (std::size_t j = 0; j < size; ++j) sum[j] += parts[i][j];
    }
  }
  return sum;
}

}  // namespace

Covariance::Covariance(const Fragments& fragments, const std::vector<std::int64_t>& chosen,
                       int threads)
    : size_(fragments.size) {
  const auto size = static_cast<std::size_t>(size_);
  const double count = static_cast<double>(chosen.empty() ? fragments.count() : std::ssize(chosen));
  const std::vector<double> zero(size);
  mean_ = sum_over_blocks(fragments, chosen, zero, size, threads,
                          [&](const std::vector<double>& block, std::int64_t n, auto& sums) {
                            for (int c = 0; c < size_; ++c) {
                              const double* values = block.data() + c * n;
                              sums[c] = std::accumulate(values, values + n, 0.0);
                            }
                          });
  for (double& mean : mean_) mean /= count;
  std::vector<double> matrix = sum_over_blocks(
      fragments, chosen, mean_, size * size, threads,
      [&](const std::vector<double>& block, std::int64_t n, auto& sums) {
        for (std::size_t i = 0; i < size; ++i) {
          for (std::size_t j = 0; j <= i; ++j) {
            sums[i * size + j] = product(block.data() + i * static_cast<std::size_t>(n),
                                         block.data() + j * static_cast<std::size_t>(n), n);
          }
        }
      });
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) matrix[j * size + i] = matrix[i * size + j] /= count;
  }
  factorise(std::move(matrix));
}

/// Cholesky with diagonal pivoting (Higham 2002, section 10.3), which stops where nothing is left.
void Covariance::factorise(std::vector<double> matrix) {
  constexpr double kNegligible = 1e-12;
  const auto size = static_cast<std::size_t>(size_);
  order_.resize(size);
  std::iota(order_.begin(), order_.end(), 0);
  std::vector<double> lower(size * size);  // rows in the order of `order_`
  const auto at = [&](std::size_t i, std::size_t j) -> double& {
    return matrix[static_cast<std::size_t>(order_[i]) * size + static_cast<std::size_t>(order_[j])];
  };
  double largest = 0;
  std::size_t k = 0;
  for (; k < size; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < size; ++i) {
      if (at(i, i) > at(pivot, pivot)) pivot = i;
    }
    const double variance = at(pivot, pivot);
    if (k == 0) largest = variance;
    if (!(variance > kNegligible * largest)) break;
    std::swap(order_[k], order_[pivot]);
    for (std::size_t j = 0; j < k; ++j) std::swap(lower[k * size + j], lower[pivot * size + j]);
    lower[k * size + k] = std::sqrt(variance);
    for (std::size_t i = k + 1; i < size; ++i) {
      lower[i * size + k] = at(i, k) / lower[k * size + k];
    }
    for (std::size_t i = k + 1; i < size; ++i) {
      for (std::size_t j = k + 1; j <= i; ++j) {
        at(i, j) -= lower[i * size + k] * lower[j * size + k];
        at(j, i) = at(i, j);
      }
    }
  }
  rank_ = static_cast<int>(k);
  factor_.resize(k * k);
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t j = 0; j <= i; ++j) factor_[i * k + j] = lower[i * size + j];
  }
}

std::vector<double> Covariance::squared_distances(const Fragments& fragments, int threads) const {
  check(fragments.size == size_, "fragments of the covariance's size");
  std::vector<double> distances(fragments.count());
  parallel_for(block_count(fragments.count()), threads, [&](int b, int /*worker*/) {
    const std::int64_t first = b * kBlock;
    const std::int64_t count = std::min(kBlock, fragments.count() - first);
    std::vector<double> block;
    load_block(fragments, {}, mean_, first, count, block);
    // y = L⁻¹ P (x - μ) by forward substitution, all fragments of the block at once; |y|² is the
    // squared distance.
    double* sum = distances.data() + first;
    for (int i = 0; i < rank_; ++i) {
      double* y = block.data() + order_[i] * count;
      for (int j = 0; j < i; ++j) {
        subtract_multiple(factor_[i * rank_ + j], block.data() + order_[j] * count, y, count);
      }
      add_scaled_square(1 / factor_[i * rank_ + i], y, sum, count);
    }
  });
  return distances;
}

double Covariance::log_determinant() const {
  double sum = 0;
  for (int i = 0; i < rank_; ++i) {
    sum += 2 * std::log(factor_[i * rank_ + i]);
  }
  return sum;
}

namespace {

class Mahalanobis : public OutlierDetector {
 public:
  std::vector<double> score(const Fragments& fragments, int threads) const override {
    return Covariance(fragments, {}, threads).squared_distances(fragments, threads);
  }
};

/// The fragments of the smallest scores, in ascending order of their index.
std::vector<std::int64_t> least(const std::vector<double>& scores, std::int64_t count) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](std::int64_t a, std::int64_t b) {
    const double left = scores[a];
    const double right = scores[b];
    return left != right ? left < right : a < b;
  };
  std::nth_element(order.begin(), order.begin() + count, order.end(), before);
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

double median_of(std::vector<float> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return static_cast<double>(*middle);
}

/// Σ over components of ((x - median) / median absolute deviation)²; a component without deviation
/// counts nothing.
std::vector<double> scaled_distances(const Fragments& fragments) {
  std::vector<double> distances(fragments.count());
  for (int c = 0; c < fragments.size; ++c) {
    std::vector<float> values(fragments.component(c), fragments.component(c) + fragments.count());
    const double centre = median_of(values);
    for (float& value : values) {
      value = static_cast<float>(std::abs(static_cast<double>(value) - centre));
    }
    const double deviation = median_of(values);
    if (!(deviation > 0)) continue;
    for (std::size_t f = 0; f < distances.size(); ++f) {
      const double scaled = static_cast<double>(values[f]) / deviation;
      distances[f] += scaled * scaled;
    }
  }
  return distances;
}

/// Minimum covariance determinant (Rousseeuw and Van Driessen 1999, "A fast algorithm for the
/// minimum covariance determinant estimator"): concentration steps, each of which takes the share
/// of fragments that lie nearest by the last estimate, until the determinant falls no further.
/// Nothing is drawn: the first share is nearest by the median and the median absolute deviation of
/// each component (as in the deterministic variant of Hubert, Rousseeuw, Verdonck 2012).
class RobustCovariance : public OutlierDetector {
 public:
  explicit RobustCovariance(double support) : support_(support) {}

  std::vector<double> score(const Fragments& fragments, int threads) const override {
    constexpr int kMostSteps = 30;
    const auto chosen = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(std::ceil(support_ * static_cast<double>(fragments.count()))), 1,
        fragments.count());
    Covariance estimate(fragments, least(scaled_distances(fragments), chosen), threads);
    std::vector<double> distances = estimate.squared_distances(fragments, threads);
    for (int step = 0; step < kMostSteps; ++step) {
      Covariance next(fragments, least(distances, chosen), threads);
      // Where the kept fragments have no extent at all, the last estimate says more.
      if (next.rank() < estimate.rank()) break;
      const bool fell = next.log_determinant() < estimate.log_determinant();
      estimate = std::move(next);
      distances = estimate.squared_distances(fragments, threads);
      if (!fell) break;
    }
    return distances;
  }

 private:
  double support_;
};

REDOUBT_MULTIVERSION
void add_squared_difference(float value, const float* others, float* sums, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float difference = others[i] - value;
    sums[i] += difference * difference;
  }
}

/// Distance to the k-th nearest other fragment (Ramaswamy, Rastogi, Shim 2000). Of more than
/// kMostReferences fragments every n-th serves as a neighbour.
class NearestNeighbours : public OutlierDetector {
 public:
  explicit NearestNeighbours(int neighbours) : neighbours_(neighbours) {}

  std::vector<double> score(const Fragments& fragments, int threads) const override {
    constexpr std::int64_t kMostReferences = 32768;
    constexpr double kFurthest = std::numeric_limits<float>::max();
    const std::int64_t stride = (fragments.count() + kMostReferences - 1) / kMostReferences;
    const std::int64_t references = (fragments.count() + stride - 1) / stride;
    std::vector<float> points(static_cast<std::size_t>(references * fragments.size));
    for (int c = 0; c < fragments.size; ++c) {
      for (std::int64_t i = 0; i < references; ++i) {
        points[c * references + i] = fragments.component(c)[i * stride];
      }
    }
    std::vector<double> scores(fragments.count());
    parallel_for(block_count(fragments.count()), threads, [&](int block, int /*worker*/) {
      std::vector<float> distances(references);
      const std::int64_t first = block * kBlock;
      const std::int64_t end = std::min(first + kBlock, fragments.count());
      for (std::int64_t at = first; at < end; ++at) {
        std::fill(distances.begin(), distances.end(), 0.0F);
        for (int c = 0; c < fragments.size; ++c) {
          add_squared_difference(fragments.component(c)[at], points.data() + c * references,
                                 distances.data(), references);
        }
        // A fragment is no neighbour of itself; it goes to the end, where nobody looks.
        const bool is_reference = at % stride == 0;
        if (is_reference) std::swap(distances[at / stride], distances.back());
        const std::int64_t others = references - (is_reference ? 1 : 0);
        if (others == 0) continue;
        const auto kth = distances.begin() + std::min<std::int64_t>(neighbours_, others) - 1;
        std::nth_element(distances.begin(), kth, distances.begin() + others);
        // What is too far for a float to say is the furthest of all.
        const double squared = std::min(static_cast<double>(*kth), kFurthest);
        scores[at] = std::sqrt(squared);
      }
    });
    return scores;
  }

 private:
  int neighbours_;
};

}  // namespace

std::unique_ptr<OutlierDetector> make_detector(const DetectorSettings& settings) {
  switch (settings.kind) {
    case DetectorSettings::Kind::mahalanobis:
      break;
    case DetectorSettings::Kind::robust_covariance:
      return std::make_unique<RobustCovariance>(settings.support);
    case DetectorSettings::Kind::nearest_neighbours:
      return std::make_unique<NearestNeighbours>(settings.neighbours);
  }
  return std::make_unique<Mahalanobis>();
}

}  // namespace redoubt
