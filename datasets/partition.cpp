#include "datasets/partition.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "datasets/draw.h"

namespace redoubt {

std::vector<int> draw_validation(std::span<const std::uint8_t> labels, int classes,
                                 std::span<const int> pool, int count, std::uint64_t seed) {
  if (count < 0 || count >= std::ssize(pool)) {
    throw InputError(fmt::format(
        "data.validation_samples is {}; there are {} training images in all{}", count,
        labels.size(),
        pool.size() == labels.size() ? ""
                                     : fmt::format(", {} without the attackers'", pool.size())));
  }
  return draw_balanced(labels, classes, pool, count,
                       {.seed = seed, .purpose = Purpose::validation_split});
}

ImageLists partition(std::span<const std::uint8_t> labels, int classes, std::span<const int> pool,
                     int clients, const PartitionSettings& settings, const HoldsLabel& required,
                     std::uint64_t seed) {
  if (std::ssize(pool) < clients) {
    throw InputError(
        fmt::format("federation.clients is {}; there are {} training images to deal out", clients,
                    pool.size()));
  }
  const Deal deal = {labels, classes, pool, clients, required};
  RandomStream random({.seed = seed, .purpose = Purpose::partition});
  ImageLists lists =
      Partitions::with_class(settings, [&]<class Kind>(const typename Kind::Settings& own) {
        return Kind::deal(own, deal, random);
      });
  for (std::size_t k = 0; k < lists.size(); ++k) {
    if (!lists[k].empty()) continue;
    throw InputError(
        fmt::format("data.partition: client {} would have no image ({} images, {} clients)", k,
                    pool.size(), clients));
  }
  for (auto& images : lists) std::sort(images.begin(), images.end());
  return lists;
}

}  // namespace redoubt
