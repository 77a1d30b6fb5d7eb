// What a server may ask the clients of a federation, and how attackers may answer.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "fl/attack/attack.h"
#include "fl/federation.h"

namespace redoubt {

using kernels::Sample;

std::vector<DormancyReport> Federation::ask_dormancy(const GlobalModel& model,
                                                     const ChannelSpan& layer, double vote_rate,
                                                     int round) {
  std::vector<std::span<const Sample>> data;
  for (const Client& client : clients_) data.emplace_back(client.samples);
  const auto records = executor_.record_activations(model.variant(), data);
  // Channels that are silent already have no outputs to rank: they come last and get no votes.
  const std::vector<float> mask = model.mask.download();
  const auto layer_mask = std::span(mask).subspan(layer.offset, layer.channels);
  const auto heard = std::count_if(layer_mask.begin(), layer_mask.end(),
                                   [](float channel) { return channel != 0; });
  const auto vote_count =
      static_cast<int>(std::floor(vote_rate * static_cast<double>(heard) + 1e-9));

  const RoundPlan plan = plan_round(round, everyone(), model.row.data());
  std::vector<DormancyReport> reports;
  for (const Client& client : clients_) {
    // All channels of a layer are summed over equally many values, so sums rank as means do.
    const std::vector<double>& record = records[client.id];
    std::vector<double> activity(record.begin() + layer.offset,
                                 record.begin() + layer.offset + layer.channels);
    for (std::size_t c = 0; c < activity.size(); ++c) {
      if (layer_mask[c] == 0) activity[c] = std::numeric_limits<double>::infinity();
    }
    DormancyReport report = report_of(activity, vote_count);
    const DormancyQuestion question = {
        .own_samples = client.samples,
        .heard = layer_mask,
        .votes = vote_count,
        .activity = [&](std::span<const Sample> samples) {
          const std::vector<double> all = activity_on(model, samples);
          return std::vector<double>(all.begin() + layer.offset,
                                     all.begin() + layer.offset + layer.channels);
        }};
    if (client.attacks_in(round)) {
      client.attack->edit_dormancy(client_round(client, plan), question, report);
    }
    check(std::ssize(report.ranks) == layer.channels && std::ssize(report.votes) == layer.channels,
          "a dormancy report has a rank and a vote for each channel");
    reports.push_back(std::move(report));
  }
  return reports;
}

std::vector<double> Federation::activity_on(const GlobalModel& model,
                                            std::span<const Sample> samples) {
  return executor_.record_activations(model.variant(), {&samples, 1}).front();
}

std::vector<double> Federation::ask_accuracies(const ModelVariants& variants, int round) {
  const RoundPlan plan = plan_round(round, everyone(), variants.parameters.data);
  std::vector<double> mean(variants.count);
  for (const Client& client : clients_) {
    std::vector<double> accuracies;
    for (const auto& totals : executor_.evaluate(variants, client.samples)) {
      accuracies.push_back(totals.accuracy());
    }
    if (client.attacks_in(round)) {
      client.attack->edit_accuracies(client_round(client, plan), accuracies);
    }
    for (std::size_t v = 0; v < mean.size(); ++v) {
      check(accuracies[v] >= 0 && accuracies[v] <= 1, "a reported accuracy is in [0, 1]");
      mean[v] += accuracies[v] / static_cast<double>(clients_.size());
    }
  }
  return mean;
}

}  // namespace redoubt
