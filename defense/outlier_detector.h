// How far each fragment lies from the others. Detectors are interchangeable: ARIBA asks for a score
// a fragment and marks the largest.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/keys.h"
#include "defense/fragments.h"

namespace redoubt {

/// How ARIBA scores fragments.
struct DetectorSettings {
  enum class Kind : std::uint8_t {
    mahalanobis,         ///< ARIBA, algorithm 2
    robust_covariance,   ///< Mahalanobis by the minimum covariance determinant
    nearest_neighbours,  ///< distance to the k-th nearest fragment
  };
  friend constexpr Names<Kind, 3> names_of(Kind) {
    return {{{"mahalanobis", Kind::mahalanobis},
             {"robust-covariance", Kind::robust_covariance},
             {"nearest-neighbours", Kind::nearest_neighbours}}};
  }
  Kind kind = Kind::mahalanobis;
  double support = 0.75;  ///< robust covariance: share of the fragments that count
  int neighbours = 20;    ///< nearest neighbours: k
  bool operator==(const DetectorSettings&) const = default;
  static auto& shorthand(auto& s) { return s.kind; }

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("kind", s.kind,
            "how far out a fragment lies: Mahalanobis distance, the same by a robust covariance, "
            "or distance to the k-th neighbour");
    v.when("kind", s.kind, DetectorSettings::Kind::robust_covariance)
        .field("support", s.support,
               "share of the fragments, those nearest to the centre, that mean and covariance are "
               "taken from",
               between(0.5, 1));
    v.when("kind", s.kind, DetectorSettings::Kind::nearest_neighbours)
        .field("neighbours", s.neighbours, "k: the distance to the k-th nearest fragment counts",
               at_least(1));
  }
};

class OutlierDetector {
 public:
  OutlierDetector() = default;
  virtual ~OutlierDetector() = default;
  OutlierDetector(const OutlierDetector&) = delete;
  OutlierDetector& operator=(const OutlierDetector&) = delete;

  /// [clients · per_client] a score for each fragment, larger for stranger ones, never negative;
  /// the same bits for any number of threads.
  virtual std::vector<double> score(const Fragments& fragments, int threads) const = 0;
};

std::unique_ptr<OutlierDetector> make_detector(const DetectorSettings& settings);

/// Mean and covariance of fragments, in double, and squared Mahalanobis distances by them:
/// (x - μ)ᵀ Σ⁻¹ (x - μ).
///
/// A singular Σ (all updates equal in some direction, or all zero) is factorised with pivoting, and
/// directions whose variance is below 1e-12 of the largest are left out. For points that have no
/// extent there, which those that Σ was taken from have not, this is the distance by the
/// pseudo-inverse; if Σ is 0 every distance is 0.
class Covariance {
 public:
  /// Of the fragments that `chosen` lists, or of all if it is empty.
  Covariance(const Fragments& fragments, const std::vector<std::int64_t>& chosen, int threads);

  /// [fragments]
  std::vector<double> squared_distances(const Fragments& fragments, int threads) const;
  /// Sum of the logarithms of the variances that are not left out.
  double log_determinant() const;
  /// Directions that are not left out.
  int rank() const { return rank_; }

 private:
  void factorise(std::vector<double> matrix);

  int size_;
  int rank_ = 0;
  std::vector<double> mean_;
  std::vector<int> order_;      ///< components, the largest remaining variance first
  std::vector<double> factor_;  ///< [rank][rank] lower triangle L of P Σ Pᵀ = L Lᵀ
};

}  // namespace redoubt
