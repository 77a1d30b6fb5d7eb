#include "datasets/partition/deal.h"

#include <fmt/format.h>

#include "base/check.h"

namespace redoubt {

void exchange_images(const Deal& deal, ImageLists& clients) {
  const auto has_label = [&](int image) { return deal.labels[image] == deal.required.label; };
  for (const int client : deal.required.clients) {
    auto& own = clients[client];
    if (std::any_of(own.begin(), own.end(), has_label)) continue;
    // From the client with most images of the label; one that must hold it keeps one.
    std::vector<int>* donor = nullptr;
    std::ptrdiff_t most = 0;
    for (int id = 0; id < deal.clients; ++id) {
      auto& other = clients[id];
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

}  // namespace redoubt
