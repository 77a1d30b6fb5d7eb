#include "datasets/partition/iid.h"

namespace redoubt {

ImageLists Iid::deal(const Settings& /*none*/, const Deal& deal, RandomStream& random) {
  std::vector<int> order(deal.pool.begin(), deal.pool.end());
  random.shuffle(std::span(order));
  ImageLists clients(static_cast<std::size_t>(deal.clients));
  for (std::size_t i = 0; i < order.size(); ++i) clients[i % clients.size()].push_back(order[i]);
  exchange_images(deal, clients);
  return clients;
}

}  // namespace redoubt
