#include "datasets/draw.h"

#include <algorithm>

#include "base/check.h"

namespace redoubt {

std::vector<std::vector<int>> shuffled_by_class(std::span<const std::uint8_t> labels, int classes,
                                                std::span<const int> pool, RandomStream& random) {
  std::vector<std::vector<int>> by_class(classes);
  for (const int i : pool) by_class[labels[i]].push_back(i);
  for (std::vector<int>& images : by_class) random.shuffle(std::span(images));
  return by_class;
}

std::vector<int> draw_balanced(std::span<const std::uint8_t> labels, int classes,
                               std::span<const int> pool, int count, const RandomKey& key) {
  check(count >= 0 && count <= std::ssize(pool), "no more images are drawn than there are");
  RandomStream random(key);
  const auto by_class = shuffled_by_class(labels, classes, pool, random);
  std::vector<int> drawn;
  for (std::size_t turn = 0; std::ssize(drawn) < count; ++turn) {
    for (const std::vector<int>& images : by_class) {
      if (turn < images.size() && std::ssize(drawn) < count) drawn.push_back(images[turn]);
    }
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace redoubt
