#include "defense/krum.h"

#include <algorithm>
#include <numeric>

#include "kernels/columns.h"

namespace redoubt {

namespace {

std::vector<int> all_of(int updates) {
  std::vector<int> all(updates);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// The ids of the clients whose rows are not in the ascending list `kept`.
std::vector<int> others(const UpdateMatrix& updates, const std::vector<int>& kept) {
  std::vector<int> ids;
  for (int row = 0; row < updates.shape.rows; ++row) {
    if (!std::binary_search(kept.begin(), kept.end(), row)) {
      ids.push_back(updates.clients[row]);
    }
  }
  return ids;
}

}  // namespace

std::vector<double> krum_scores(const std::vector<double>& squared_distances, int updates,
                                const std::vector<int>& candidates, int malicious) {
  const int n = static_cast<int>(candidates.size());
  const int nearest = std::min(std::max(n - malicious - 2, 1), n - 1);
  std::vector<double> scores;
  for (const int i : candidates) {
    std::vector<double> to_others;
    for (const int j : candidates) {
      if (j != i) to_others.push_back(squared_distances[i * updates + j]);
    }
    std::sort(to_others.begin(), to_others.end());
    scores.push_back(std::accumulate(to_others.begin(), to_others.begin() + nearest, 0.0));
  }
  return scores;
}

namespace {

/// The mean of the `selected` updates of least score.
Aggregate mean_of_nearest(Context& context, const UpdateMatrix& updates, int malicious,
                          int selected) {
  const int n = updates.shape.rows;
  const std::vector<double> scores =
      krum_scores(updates.squared_distances(context), n, all_of(n), malicious);
  std::vector<int> order = all_of(n);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] < scores[b]; });
  order.resize(std::clamp(selected, 1, n));
  std::sort(order.begin(), order.end());

  Aggregate aggregate;
  aggregate.row_weights.assign(n, 0.0);
  for (const int row : order) aggregate.row_weights[row] = 1;
  aggregate.removed = others(updates, order);
  aggregate.diagnostics = updates.scored(scores);
  return aggregate;
}

}  // namespace

Aggregate Krum::aggregate(Context& context, const UpdateMatrix& updates) {
  return mean_of_nearest(context, updates, malicious_, 1);
}

void Krum::check(const KrumSettings& settings, const RuleConditions& conditions) {
  conditions.need_clients("krum.malicious", settings.malicious, least(settings.malicious));
}

Aggregate MultiKrum::aggregate(Context& context, const UpdateMatrix& updates) {
  const int f = settings_.malicious;
  return mean_of_nearest(context, updates, f, settings_.selected.value_or(updates.shape.rows - f));
}

void MultiKrum::check(const MultiKrumSettings& settings, const RuleConditions& conditions) {
  const int f = settings.malicious;
  conditions.need_clients("multi-krum.malicious", f, least(f));
  if (!settings.selected || *settings.selected <= conditions.participants - f) return;
  throw InputError("defense.rule: multi-krum.selected is " + std::to_string(*settings.selected) +
                   "; at most " + std::to_string(conditions.participants - f) +
                   " clients are not malicious");
}

void Bulyan::check(const BulyanSettings& settings, const RuleConditions& conditions) {
  conditions.need_clients("bulyan.malicious", settings.malicious, least(settings.malicious));
}

Aggregate Bulyan::aggregate(Context& context, const UpdateMatrix& updates) {
  const int n = updates.shape.rows;
  const std::vector<double> distances = updates.squared_distances(context);
  std::vector<int> left = all_of(n);
  std::vector<int> selected;
  const int theta = std::max(n - 2 * malicious_, 1);
  while (static_cast<int>(selected.size()) < theta) {
    const std::vector<double> scores = krum_scores(distances, n, left, malicious_);
    const auto best = std::min_element(scores.begin(), scores.end()) - scores.begin();
    selected.push_back(left[best]);
    left.erase(left.begin() + best);
  }
  std::sort(selected.begin(), selected.end());

  // The selected updates side by side.
  const std::int64_t columns = updates.shape.columns;
  Buffer<float> rows(context.device(), theta * columns);
  for (int i = 0; i < theta; ++i) {
    context.copy_on_device(rows.data() + i * columns, updates.matrix[selected[i]],
                           static_cast<std::size_t>(columns) * sizeof(float));
  }
  Aggregate aggregate = {.row_weights = {}, .combined = {context.device(), columns}};
  const int beta = std::max(theta - 2 * malicious_, 1);
  kernels::mean_near_median_columns(context, {.rows = theta, .columns = columns}, beta,
                                    rows.replicas(columns), aggregate.combined.data());
  aggregate.removed = others(updates, selected);
  return aggregate;
}

}  // namespace redoubt
