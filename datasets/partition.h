// Who holds which training images.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace redoubt {

struct PartitionSettings {
  enum class Kind : std::uint8_t {
    iid,        ///< shuffled and dealt out, counts differing by at most one
    k_label,    ///< each client holds `labels` labels, every label is held, counts are equal
    dirichlet,  ///< each class is dealt out in shares drawn from Dirichlet(alpha), so counts differ
  };
  Kind kind = Kind::iid;
  int labels = 3;
  double alpha = 0.5;
  bool operator==(const PartitionSettings&) const = default;
};

/// Something the attack needs of a partition: these clients hold images of this label.
struct HoldsLabel {
  std::vector<int> clients;
  int label = 0;
};

/// The training images kept by the server: `count` of `pool` (indices into `labels`), with equal
/// counts a class as far as possible, drawn from (seed, validation_split). Returns ascending
/// indices. Throws InputError if there are not more images.
std::vector<int> draw_validation(std::span<const std::uint8_t> labels, int classes,
                                 std::span<const int> pool, int count, std::uint64_t seed);

/// Deals the images `pool` (indices into `labels`) out to `clients` clients: result[k] are client
/// k's, in ascending order. No image is dealt twice. With k-label, every label goes to equally many
/// clients (as far as clients · labels divides by the classes), so that counts are equal and little
/// is left over. If `required` clients must hold a label and do not, label sets are exchanged
/// (k-label) or images are exchanged one for one (iid, dirichlet), so counts stay; if they are more
/// than a label's share of clients (k-label), each has less of it. Drawn from
/// (seed, partition). Throws InputError for settings that cannot be met (more labels than classes,
/// a label nobody could hold, a client that would have no image), naming the setting.
std::vector<std::vector<int>> partition(std::span<const std::uint8_t> labels, int classes,
                                        std::span<const int> pool, int clients,
                                        const PartitionSettings& settings,
                                        const HoldsLabel& required, std::uint64_t seed);

}  // namespace redoubt
