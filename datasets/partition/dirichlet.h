// Uneven shares of each class.
#pragma once

#include "base/keys.h"
#include "datasets/partition/deal.h"

namespace redoubt {

/// Yurochkin et al. 2019. Counts differ.
struct Dirichlet {
  static constexpr const char* kName = "dirichlet";
  static constexpr const char* kDescription = "each class in shares drawn from Dirichlet(alpha)";
  struct Settings {
    double alpha = 0.5;
    bool operator==(const Settings&) const = default;

    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("alpha", s.alpha,
              "concentration of the Dirichlet distribution: the smaller, the more uneven",
              above(0));
    }
  };

  /// Required clients that lack the label get an image of it for one of theirs. Throws InputError
  /// if draw after draw leaves a client without an image.
  static ImageLists deal(const Settings& settings, const Deal& deal, RandomStream& random);
};

}  // namespace redoubt
