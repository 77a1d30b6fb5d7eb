// Principal components of a few points of many dimensions.
#pragma once

#include <span>
#include <vector>

namespace redoubt {

/// Points side by side, [count][size]. They are floats because checkpoints are.
struct Points {
  int count = 0;
  int size = 0;
  std::vector<float> values;

  std::span<const float> point(int index) const {
    const auto width = static_cast<std::size_t>(size);
    return std::span(values).subspan(static_cast<std::size_t>(index) * width, width);
  }
};

/// Eigenvalues of a symmetric matrix, the greatest first, and their orthonormal vectors.
struct SymmetricEigen {
  std::vector<double> values;   ///< [n]
  std::vector<double> vectors;  ///< [n][n], one a row
};

/// By cyclic Jacobi rotations in double (Golub and Van Loan 2013, section 8.5). matrix [n][n].
SymmetricEigen symmetric_eigen(std::vector<double> matrix, int n);

/// The directions in which points lie farthest from the origin, in double, from the eigenvectors of
/// their [count][count] Gram matrix: the cost grows with the dimensions once, not squared.
class PrincipalComponents {
 public:
  /// Keeps at most `most` directions, none whose variance is below 1e-10 of the greatest.
  PrincipalComponents(const Points& points, int most);

  int count() const { return count_; }
  /// |x - P Pᵀ x|²: what is lost of x when it is written by the components and read back.
  double squared_residual(std::vector<double> x) const;

 private:
  int count_ = 0;
  std::vector<double> directions_;  ///< [count][size], orthonormal
};

}  // namespace redoubt
