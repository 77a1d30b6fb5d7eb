#include "defense/principal_components.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace redoubt {

namespace {

double product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

/// Turns rows and columns p and q of the symmetric matrix so that element (p, q) becomes 0, and
/// rows p and q of the vectors with them.
void rotate(std::vector<double>& matrix, std::vector<double>& vectors, std::size_t n, std::size_t p,
            std::size_t q) {
  const double off = matrix[p * n + q];
  if (off == 0) return;
  const double theta = (matrix[q * n + q] - matrix[p * n + p]) / (2 * off);
  const double t = std::copysign(1.0, theta) / (std::abs(theta) + std::hypot(1.0, theta));
  const double c = 1 / std::hypot(1.0, t);
  const double s = t * c;
  const auto turn = [&](double& x, double& y) {
    const double old = x;
    x = c * old - s * y;
    y = s * old + c * y;
  };
  for (std::size_t k = 0; k < n; ++k) turn(matrix[k * n + p], matrix[k * n + q]);
  for (std::size_t k = 0; k < n; ++k) turn(matrix[p * n + k], matrix[q * n + k]);
  for (std::size_t k = 0; k < n; ++k) turn(vectors[p * n + k], vectors[q * n + k]);
}

}  // namespace

SymmetricEigen symmetric_eigen(std::vector<double> matrix, int n) {
  const auto size = static_cast<std::size_t>(n);
  std::vector<double> vectors(size * size);
  for (std::size_t i = 0; i < size; ++i) vectors[i * size + i] = 1;
  // Convergence is quadratic: 6 to 10 sweeps reach the last bits.
  constexpr int kMostSweeps = 50;
  constexpr double kNegligible = 1e-30;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    double off = 0;
    double diagonal = 0;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < i; ++j) off += matrix[i * size + j] * matrix[i * size + j];
      diagonal += matrix[i * size + i] * matrix[i * size + i];
    }
    if (off <= kNegligible * diagonal) break;
    for (std::size_t p = 0; p + 1 < size; ++p) {
      for (std::size_t q = p + 1; q < size; ++q) rotate(matrix, vectors, size, p, q);
    }
  }
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return matrix[a * size + a] > matrix[b * size + b];
  });
  SymmetricEigen eigen;
  for (const std::size_t i : order) {
    eigen.values.push_back(matrix[i * size + i]);
    const auto row = vectors.begin() + static_cast<std::ptrdiff_t>(i * size);
    eigen.vectors.insert(eigen.vectors.end(), row, row + n);
  }
  return eigen;
}

PrincipalComponents::PrincipalComponents(const Points& points, int most) {
  const auto n = static_cast<std::size_t>(points.count);
  std::vector<double> gram(n * n);
  for (int i = 0; i < points.count; ++i) {
    for (int j = 0; j <= i; ++j) {
      const double value = product(points.point(i), points.point(j));
      gram[static_cast<std::size_t>(i) * n + static_cast<std::size_t>(j)] = value;
      gram[static_cast<std::size_t>(j) * n + static_cast<std::size_t>(i)] = value;
    }
  }
  // X Xᵀ u = λ u gives the direction Xᵀ u / √λ of Xᵀ X.
  const SymmetricEigen eigen = symmetric_eigen(std::move(gram), points.count);
  constexpr double kNegligible = 1e-10;
  const auto size = static_cast<std::size_t>(points.size);
  for (std::size_t k = 0; k < n && count_ < most; ++k) {
    const double value = eigen.values[k];
    if (!(value > kNegligible * eigen.values[0])) break;
    std::vector<double> direction(size);
    for (int i = 0; i < points.count; ++i) {
      const double share = eigen.vectors[k * n + static_cast<std::size_t>(i)] / std::sqrt(value);
      const std::span<const float> point = points.point(i);
      for (std::size_t c = 0; c < size; ++c) direction[c] += share * static_cast<double>(point[c]);
    }
    directions_.insert(directions_.end(), direction.begin(), direction.end());
    ++count_;
  }
}

double PrincipalComponents::squared_residual(std::vector<double> x) const {
  // Component by component, so that little is left of little rounding.
  for (int k = 0; k < count_; ++k) {
    const double* direction = directions_.data() + static_cast<std::size_t>(k) * x.size();
    const double along = std::inner_product(x.begin(), x.end(), direction, 0.0);
    for (std::size_t c = 0; c < x.size(); ++c) x[c] -= along * direction[c];
  }
  return std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
}

}  // namespace redoubt
