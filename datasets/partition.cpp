#include "datasets/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "base/check.h"
#include "datasets/draw.h"

namespace redoubt {

namespace {

using Lists = std::vector<std::vector<int>>;

/// What every kind of partition starts from.
struct Deal {
  std::span<const std::uint8_t> labels;
  int classes;
  std::span<const int> pool;
  int clients;
  const HoldsLabel& required;

  bool is_required(int client) const {
    return std::find(required.clients.begin(), required.clients.end(), client) !=
           required.clients.end();
  }
};

bool contains(const std::vector<int>& values, int value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

Lists deal_iid(const Deal& deal, RandomStream& random) {
  std::vector<int> order(deal.pool.begin(), deal.pool.end());
  random.shuffle(std::span(order));
  Lists clients(static_cast<std::size_t>(deal.clients));
  for (std::size_t i = 0; i < order.size(); ++i) clients[i % clients.size()].push_back(order[i]);
  return clients;
}

/// A set of `count` labels for each client. Each client in turn takes the labels that fewest have
/// so far, ties by chance, so no two labels' holders differ by more than one.
Lists draw_label_sets(const Deal& deal, int count, RandomStream& random) {
  std::vector<int> holders(static_cast<std::size_t>(deal.classes));
  Lists sets(static_cast<std::size_t>(deal.clients));
  for (std::vector<int>& set : sets) {
    std::vector<int> order(holders.size());
    std::iota(order.begin(), order.end(), 0);
    random.shuffle(std::span(order));
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return holders[static_cast<std::size_t>(a)] < holders[static_cast<std::size_t>(b)];
    });
    set.assign(order.begin(), order.begin() + count);
    for (const int label : set) ++holders[static_cast<std::size_t>(label)];
  }
  random.shuffle(std::span(sets));
  return sets;
}

/// [classes] How many sets hold each label.
std::vector<int> count_holders(const Deal& deal, const Lists& sets) {
  std::vector<int> holders(static_cast<std::size_t>(deal.classes));
  for (const auto& set : sets) {
    for (const int label : set) ++holders[static_cast<std::size_t>(label)];
  }
  return holders;
}

/// Exchanges label sets, or else single labels, until the required clients hold the required label.
void meet_requirement(const Deal& deal, Lists& sets) {
  const int label = deal.required.label;
  for (const int client : deal.required.clients) {
    std::vector<int>& own = sets[static_cast<std::size_t>(client)];
    if (contains(own, label)) continue;
    const auto donor = [&] {
      for (int other = 0; other < deal.clients; ++other) {
        if (!deal.is_required(other) && contains(sets[static_cast<std::size_t>(other)], label)) {
          return other;
        }
      }
      return -1;
    }();
    if (donor >= 0) {
      std::swap(own, sets[static_cast<std::size_t>(donor)]);
    } else {
      // More clients are to hold the label than its share: it takes the place of the label that
      // most hold.
      const std::vector<int> holders = count_holders(deal, sets);
      *std::max_element(own.begin(), own.end(), [&](int a, int b) {
        return holders[static_cast<std::size_t>(a)] < holders[static_cast<std::size_t>(b)];
      }) = label;
    }
  }
}

Lists deal_k_label(const Deal& deal, int count, RandomStream& random) {
  if (count < 1 || count > deal.classes) {
    throw InputError(fmt::format("data.partition.labels is {}; the data set has {} classes", count,
                                 deal.classes));
  }
  if (deal.clients * count < deal.classes) {
    throw InputError(fmt::format(
        "data.partition: {} client{} of {} label{} cannot hold all {} classes", deal.clients,
        deal.clients == 1 ? "" : "s", count, count == 1 ? "" : "s", deal.classes));
  }
  Lists sets = draw_label_sets(deal, count, random);
  const std::vector<int> drawn_holders = count_holders(deal, sets);
  meet_requirement(deal, sets);
  const std::vector<int> holders = count_holders(deal, sets);
  const Lists by_class = shuffled_by_class(deal.labels, deal.classes, deal.pool, random);

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
  Lists clients;
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

/// Cuts `count` images by shares that sum to 1: whole parts first, then one each to the largest
/// rests.
std::vector<int> largest_remainders(const std::vector<double>& shares, int count) {
  std::vector<int> parts;
  std::vector<double> rests;
  for (const double share : shares) {
    parts.push_back(static_cast<int>(share * count));
    rests.push_back(share * count - parts.back());
  }
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rests[a] > rests[b]; });
  int left = count - std::accumulate(parts.begin(), parts.end(), 0);
  for (std::size_t i = 0; left > 0; i = (i + 1) % order.size(), --left) ++parts[order[i]];
  return parts;
}

/// Shares of one class from Dirichlet(alpha): gamma variates over their sum (Devroye 1986, XI.4).
std::vector<double> draw_shares(int clients, double alpha, RandomStream& random) {
  std::gamma_distribution<double> gamma(alpha, 1.0);
  std::vector<double> shares;
  for (int k = 0; k < clients; ++k) shares.push_back(gamma(random));
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (!(sum > 0)) {
    // With a tiny alpha every variate may round to 0; in that limit one client has everything.
    std::fill(shares.begin(), shares.end(), 0.0);
    shares[random.below(static_cast<std::uint32_t>(clients))] = 1;
    return shares;
  }
  for (double& share : shares) share /= sum;
  return shares;
}

Lists deal_dirichlet(const Deal& deal, double alpha, RandomStream& random) {
  if (!(alpha > 0)) {
    throw InputError(fmt::format("data.partition.alpha is {}; it must be above 0", alpha));
  }
  constexpr int kTries = 100;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Lists clients(static_cast<std::size_t>(deal.clients));
    for (const auto& images : shuffled_by_class(deal.labels, deal.classes, deal.pool, random)) {
      const std::vector<int> parts = largest_remainders(draw_shares(deal.clients, alpha, random),
                                                        static_cast<int>(images.size()));
      auto from = images.begin();
      for (std::size_t k = 0; k < clients.size(); ++k) {
        clients[k].insert(clients[k].end(), from, from + parts[k]);
        from += parts[k];
      }
    }
    const bool all_have_some = std::none_of(clients.begin(), clients.end(),
                                            [](const auto& images) { return images.empty(); });
    if (all_have_some) return clients;
  }
  throw InputError(fmt::format(
      "data.partition: in {} draws, Dirichlet({}) always left one of {} clients without an image; "
      "raise alpha or take fewer clients",
      kTries, alpha, deal.clients));
}

/// Exchanges one image for one until each required client holds the required label.
void exchange_images(const Deal& deal, Lists& clients) {
  const auto has_label = [&](int image) {
    return deal.labels[static_cast<std::size_t>(image)] == deal.required.label;
  };
  for (const int client : deal.required.clients) {
    auto& own = clients[static_cast<std::size_t>(client)];
    if (std::any_of(own.begin(), own.end(), has_label)) continue;
    // From the client with most images of the label; one that must hold it keeps one.
    std::vector<int>* donor = nullptr;
    std::ptrdiff_t most = 0;
    for (int id = 0; id < deal.clients; ++id) {
      auto& other = clients[static_cast<std::size_t>(id)];
      const std::ptrdiff_t held = std::count_if(other.begin(), other.end(), has_label);
      if (held > most && (held > 1 || !deal.is_required(id))) {
        donor = &other;
        most = held;
      }
    }
    if (donor == nullptr) {
      throw InputError(fmt::format(
          "data.partition: there are too few images of label {} for all malicious clients",
          deal.required.label));
    }
    std::swap(*std::find_if(donor->begin(), donor->end(), has_label), own.front());
  }
}

}  // namespace

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

std::vector<std::vector<int>> partition(std::span<const std::uint8_t> labels, int classes,
                                        std::span<const int> pool, int clients,
                                        const PartitionSettings& settings,
                                        const HoldsLabel& required, std::uint64_t seed) {
  if (std::ssize(pool) < clients) {
    throw InputError(
        fmt::format("federation.clients is {}; there are {} training images to deal out", clients,
                    pool.size()));
  }
  const Deal deal = {labels, classes, pool, clients, required};
  RandomStream random({.seed = seed, .purpose = Purpose::partition});
  Lists lists;
  switch (settings.kind) {
    case PartitionSettings::Kind::iid:
      lists = deal_iid(deal, random);
      break;
    case PartitionSettings::Kind::k_label:
      lists = deal_k_label(deal, settings.labels, random);
      break;
    case PartitionSettings::Kind::dirichlet:
      lists = deal_dirichlet(deal, settings.alpha, random);
      break;
  }
  for (std::size_t k = 0; k < lists.size(); ++k) {
    if (!lists[k].empty()) continue;
    throw InputError(
        fmt::format("data.partition: client {} would have no image ({} images, {} clients)", k,
                    pool.size(), clients));
  }
  if (settings.kind != PartitionSettings::Kind::k_label) exchange_images(deal, lists);
  for (auto& images : lists) std::sort(images.begin(), images.end());
  return lists;
}

}  // namespace redoubt
