// Independent and identically distributed.
#pragma once

#include "base/keys.h"
#include "datasets/partition/deal.h"

namespace redoubt {

/// Counts differ by one at most.
struct Iid {
  static constexpr const char* kName = "iid";
  static constexpr const char* kDescription = "shuffled and dealt out";
  struct Settings {
    bool operator==(const Settings&) const = default;

    template <class V, class S>
    static void keys(V& /*v*/, S& /*s*/) {}
  };

  /// Required clients that lack the label get an image of it for one of theirs.
  static ImageLists deal(const Settings& settings, const Deal& deal, RandomStream& random);
};

}  // namespace redoubt
