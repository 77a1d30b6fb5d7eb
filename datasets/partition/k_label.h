// Few labels a client.
#pragma once

#include "base/keys.h"
#include "datasets/partition/deal.h"

namespace redoubt {

/// Every label is held, by equally many clients as far as clients · labels divides by the classes,
/// so that counts are equal and little is left over.
struct KLabel {
  static constexpr const char* kName = "k-label";
  static constexpr const char* kDescription =
      "each client holds images of `labels` labels, all equally many";
  struct Settings {
    int labels = 3;
    bool operator==(const Settings&) const = default;

    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("labels", s.labels, "how many labels a client holds", at_least(1));
    }
  };

  /// If required clients lack the label, label sets are exchanged, so counts stay; if they are more
  /// than a label's share of clients, each has less of it. Throws InputError for more labels than
  /// classes, or a label that nobody could hold.
  static ImageLists deal(const Settings& settings, const Deal& deal, RandomStream& random);
};

}  // namespace redoubt
