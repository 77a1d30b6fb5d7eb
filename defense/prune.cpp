#include "defense/prune.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "defense/judge.h"

namespace redoubt {

namespace {

/// Each channel's ranks summed over the clients: ordered as their means are, but whole, so that
/// ties are ties.
std::vector<std::int64_t> rank_sums(const std::vector<DormancyReport>& reports) {
  std::vector<std::int64_t> sums(reports.front().ranks.size());
  for (const DormancyReport& report : reports) {
    for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += report.ranks[c];
  }
  return sums;
}

/// Channel indices in the order of `earlier`; equals stay in the order of their index.
template <class Earlier>
std::vector<int> channels_ordered(std::size_t count, const Earlier& earlier) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return earlier(static_cast<std::size_t>(a), static_cast<std::size_t>(b));
  });
  return order;
}

std::vector<int> voted_order(const std::vector<DormancyReport>& reports,
                             const PruneSettings& settings) {
  if (settings.vote == PruneSettings::Vote::ranking) return ranking_vote(reports);
  return majority_vote(reports, settings.ties);
}

/// Level l: the model with the first l channels of `order` silenced; all levels share the
/// parameters.
class PruningLevels {
 public:
  PruningLevels(Server& server, const ChannelSpan& layer, const std::vector<int>& order, int levels)
      : mask_size_(server.layout().mask_size()), levels_(levels), layer_(layer.layer) {
    std::vector<float> mask = server.model().mask.download();
    std::vector<float> masks;
    for (int level = 0; level < levels; ++level) {
      if (level > 0) {
        const int channel = order[level - 1];
        mask[layer.offset + channel] = 0;
      }
      masks.insert(masks.end(), mask.begin(), mask.end());
    }
    masks_ = Buffer<float>(server.model().mask.device(), std::span<const float>(masks));
  }

  ModelVariants variants(const GlobalModel& model) const {
    return {.count = levels_,
            .parameters = {model.row.data(), 0},
            .masks = masks_.replicas(mask_size_),
            .first_layer = layer_,
            .inputs = {model.inputs}};
  }
  const float* mask(int level) const { return masks_.data() + level * mask_size_; }

 private:
  std::int64_t mask_size_;
  int levels_;
  int layer_;
  Buffer<float> masks_;
};

}  // namespace

std::vector<int> ranking_vote(const std::vector<DormancyReport>& reports) {
  const std::vector<std::int64_t> ranks = rank_sums(reports);
  return channels_ordered(ranks.size(),
                          [&](std::size_t a, std::size_t b) { return ranks[a] < ranks[b]; });
}

std::vector<int> majority_vote(const std::vector<DormancyReport>& reports,
                               PruneSettings::Ties ties) {
  const std::vector<std::int64_t> ranks = rank_sums(reports);
  std::vector<int> votes(ranks.size());
  for (const DormancyReport& report : reports) {
    for (std::size_t c = 0; c < votes.size(); ++c) votes[c] += report.votes[c];
  }
  return channels_ordered(ranks.size(), [&](std::size_t a, std::size_t b) {
    if (votes[a] != votes[b]) return votes[a] > votes[b];
    return ties == PruneSettings::Ties::mean_rank && ranks[a] < ranks[b];
  });
}

void Prune::check(const PruneSettings& settings, StageConditions& conditions) {
  if (!settings.channels) conditions.need_judge("prune", settings.judge, settings.stop);
  const ChannelSpan& layer = conditions.layout.conv_channels_of("prune.layer", settings.layer);
  const auto own = conditions.mask.subspan(layer.offset, layer.channels);
  int& by_stages = conditions.pruned[layer.name];
  const int before = by_stages + static_cast<int>(std::count(own.begin(), own.end(), 0.0F));
  if (settings.channels && before + *settings.channels >= layer.channels) {
    throw InputError("prune.channels is " + std::to_string(*settings.channels) +
                     (before > 0 ? " after " + std::to_string(before) + " others" : "") +
                     "; the layer has " + std::to_string(layer.channels) + " and must keep one");
  }
  by_stages += settings.channels.value_or(0);
}

std::optional<Record> Prune::run(Server& server, const StageProgress& /*progress*/) const {
  const ChannelSpan& layer = server.layout().conv_channels(settings_.layer);
  // Clients report, the server orders the channels that are still heard.
  const auto reports =
      server.federation().ask_dormancy(server.model(), layer, settings_.rate, server.next_round());
  std::vector<int> order = voted_order(reports, settings_);
  const std::vector<float> mask = server.model().mask.download();
  std::erase_if(order, [&](int channel) { return mask[layer.offset + channel] == 0; });

  if (settings_.channels && *settings_.channels >= std::ssize(order)) {
    throw InputError("prune.channels is " + std::to_string(*settings_.channels) + "; of layer " +
                     layer.name + " " + std::to_string(order.size()) +
                     " channels are not pruned yet, and it must keep one");
  }

  // Every level is judged side by side; the last channel is never taken.
  const PruningLevels pruned(server, layer, order, std::max(1, static_cast<int>(order.size())));
  const LevelChoice levels = choose_level(server, pruned.variants(server.model()),
                                          settings_.channels, settings_.judge, settings_.stop);

  server.executor().context().copy_on_device(server.model().mask.data(), pruned.mask(levels.chosen),
                                             server.model().mask.bytes());
  std::vector<float> row = server.model().row.download();
  zero_silenced(server.layout(), server.model().mask.download(), row);
  server.model().row.upload(row);

  Record record = {.stage = name(), .values = {}};
  add_test_result(record, levels.result());
  record.add("layer", layer.name);
  record.add("pruned_channels", std::int64_t{levels.chosen});
  record.add("order", std::vector<std::int64_t>(order.begin(), order.end()));
  std::vector<double> counts(levels.tested.size());
  std::iota(counts.begin(), counts.end(), 0.0);
  add_curve(record, levels, "channels", std::move(counts));
  record.note = std::to_string(levels.chosen) + " of " + std::to_string(order.size()) +
                " channels of " + layer.name + " pruned";
  return record;
}

}  // namespace redoubt
