#include "fl/client.h"

#include <algorithm>
#include <numeric>

#include "fl/attack/attack.h"

namespace redoubt {

void scale(const UpdateRow& update, double factor) {
  const auto own = static_cast<float>(factor);
  for (const ColumnRange& range : update.columns()) {
    kernels::scale_rows(update.context, {.rows = 1, .columns = range.size}, {&own, 1},
                        {update.values + range.offset, 0});
  }
}

bool Client::attacks_in(int round) const { return attack && attack->acts(id, round); }

std::vector<int> ascending_ranks(std::span<const double> values) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return values[a] < values[b]; });
  std::vector<int> ranks(values.size());
  for (std::size_t place = 0; place < order.size(); ++place) {
    ranks[order[place]] = static_cast<int>(place);
  }
  return ranks;
}

DormancyReport report_of(std::span<const double> activity, int votes) {
  DormancyReport report;
  report.ranks = ascending_ranks(activity);
  for (const int rank : report.ranks) report.votes.push_back(rank < votes ? 1 : 0);
  return report;
}

std::vector<Client> make_population(std::span<const std::vector<int>> partition,
                                    std::span<const std::uint8_t> labels) {
  std::vector<Client> population;
  for (const std::vector<int>& images : partition) {
    Client client = {.id = static_cast<int>(population.size()), .samples = {}};
    for (const int image : images) {
      const std::uint8_t label = labels[image];
      client.samples.push_back({.image = image, .label = static_cast<std::int16_t>(label)});
    }
    population.push_back(std::move(client));
  }
  return population;
}

}  // namespace redoubt
