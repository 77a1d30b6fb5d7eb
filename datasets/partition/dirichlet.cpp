#include "datasets/partition/dirichlet.h"

#include <fmt/format.h>

#include <numeric>
#include <random>

#include "base/check.h"
#include "datasets/draw.h"

namespace redoubt {

namespace {

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

}  // namespace

ImageLists Dirichlet::deal(const Settings& settings, const Deal& deal, RandomStream& random) {
  const double alpha = settings.alpha;
  if (!(alpha > 0)) {
    throw InputError(fmt::format("data.partition.alpha is {}; it must be above 0", alpha));
  }
  constexpr int kTries = 100;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    ImageLists clients(static_cast<std::size_t>(deal.clients));
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
    if (!all_have_some) continue;
    exchange_images(deal, clients);
    return clients;
  }
  throw InputError(fmt::format(
      "data.partition: in {} draws, Dirichlet({}) always left one of {} clients without an image; "
      "raise alpha or take fewer clients",
      kTries, alpha, deal.clients));
}

}  // namespace redoubt
