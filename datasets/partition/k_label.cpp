#include "datasets/partition/k_label.h"

#include <fmt/format.h>

#include <numeric>

#include "base/check.h"
#include "datasets/draw.h"

namespace redoubt {

namespace {

bool contains(const std::vector<int>& values, int value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

/// A set of `count` labels for each client. Each client in turn takes the labels that fewest have
/// so far, ties by chance, so no two labels' holders differ by more than one.
ImageLists draw_label_sets(const Deal& deal, int count, RandomStream& random) {
  std::vector<int> holders(deal.classes);
  ImageLists sets(static_cast<std::size_t>(deal.clients));
  for (std::vector<int>& set : sets) {
    std::vector<int> order(holders.size());
    std::iota(order.begin(), order.end(), 0);
    random.shuffle(std::span(order));
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return holders[a] < holders[b]; });
    set.assign(order.begin(), order.begin() + count);
    for (const int label : set) ++holders[label];
  }
  random.shuffle(std::span(sets));
  return sets;
}

/// [classes] How many sets hold each label.
std::vector<int> count_holders(const Deal& deal, const ImageLists& sets) {
  std::vector<int> holders(deal.classes);
  for (const auto& set : sets) {
    for (const int label : set) ++holders[label];
  }
  return holders;
}

/// Exchanges label sets, or else single labels, until the required clients hold the required label.
void meet_requirement(const Deal& deal, ImageLists& sets) {
  const int label = deal.required.label;
  for (const int client : deal.required.clients) {
    std::vector<int>& own = sets[client];
    if (contains(own, label)) continue;
    const auto donor = [&] {
      for (int other = 0; other < deal.clients; ++other) {
        if (!deal.is_required(other) && contains(sets[other], label)) {
          return other;
        }
      }
      return -1;
    }();
    if (donor >= 0) {
      std::swap(own, sets[donor]);
    } else {
      // More clients are to hold the label than its share: it takes the place of the label that
      // most hold.
      const std::vector<int> holders = count_holders(deal, sets);
      *std::max_element(own.begin(), own.end(),
                        [&](int a, int b) { return holders[a] < holders[b]; }) = label;
    }
  }
}

}  // namespace

ImageLists KLabel::deal(const Settings& settings, const Deal& deal, RandomStream& random) {
  const int count = settings.labels;
  if (count < 1 || count > deal.classes) {
    throw InputError(fmt::format("data.partition.labels is {}; the data set has {} classes", count,
                                 deal.classes));
  }
  if (deal.clients * count < deal.classes) {
    throw InputError(fmt::format(
        "data.partition: {} client{} of {} label{} cannot hold all {} classes", deal.clients,
        deal.clients == 1 ? "" : "s", count, count == 1 ? "" : "s", deal.classes));
  }
  ImageLists sets = draw_label_sets(deal, count, random);
  const std::vector<int> drawn_holders = count_holders(deal, sets);
  meet_requirement(deal, sets);
  const std::vector<int> holders = count_holders(deal, sets);
  const ImageLists by_class = shuffled_by_class(deal.labels, deal.classes, deal.pool, random);

  // The same number of images of each label for each holder, so that all clients have equally many;
  // only of a label that more must hold than were drawn, each has less.
  std::int64_t quota = std::ssize(deal.pool);
  for (std::size_t label = 0; label < holders.size(); ++label) {
    if (holders[label] == 0) {
      throw InputError(fmt::format(
          "data.partition: no client is left to hold label {}: too many must hold label {}", label,
          deal.required.label));
    }
    quota = std::min(quota, std::ssize(by_class[label]) / drawn_holders[label]);
  }
  std::vector<std::ptrdiff_t> dealt(holders.size());
  ImageLists clients;
  for (const auto& set : sets) {
    std::vector<int>& images = clients.emplace_back();
    for (const int label : set) {
      const auto i = static_cast<std::size_t>(label);
      const std::int64_t own = std::min(quota, std::ssize(by_class[i]) / holders[i]);
      const auto from = by_class[i].begin() + dealt[i];
      images.insert(images.end(), from, from + own);
      dealt[i] += own;
    }
  }
  return clients;
}

}  // namespace redoubt
