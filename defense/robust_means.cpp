#include "defense/robust_means.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/columns.h"

namespace redoubt {

namespace {

Aggregate trimmed(Context& context, const UpdateMatrix& updates, int trim) {
  const std::int64_t columns = updates.shape.columns;
  Aggregate aggregate = {.row_weights = {}, .combined = {context.device(), columns}};
  kernels::trimmed_mean_columns(context, updates.shape, trim, updates.matrix,
                                aggregate.combined.data());
  return aggregate;
}

/// values / Σ values
std::vector<double> shares(std::vector<double> values) {
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= sum;
  return values;
}

}  // namespace

Aggregate TrimmedMean::aggregate(Context& context, const UpdateMatrix& updates) {
  return trimmed(context, updates, std::min(malicious_, (updates.shape.rows - 1) / 2));
}

void TrimmedMean::check(const TrimmedMeanSettings& settings, const RuleConditions& conditions) {
  conditions.need_clients("trimmed-mean.malicious", settings.malicious, least(settings.malicious));
}

Aggregate Median::aggregate(Context& context, const UpdateMatrix& updates) {
  return trimmed(context, updates, (updates.shape.rows - 1) / 2);
}

Aggregate GeometricMedian::aggregate(Context& context, const UpdateMatrix& updates) {
  const std::vector<double> alpha =
      shares({updates.sample_counts.begin(), updates.sample_counts.end()});
  std::vector<double> beta = alpha;
  Buffer<float> v(context.device(), updates.shape.columns);
  const auto distances_to_mean = [&] {
    return updates.mean_and_distances(context, beta, v.data());
  };
  std::vector<double> distances = distances_to_mean();
  for (int iteration = 0; iteration < settings_.iterations; ++iteration) {
    for (std::size_t k = 0; k < alpha.size(); ++k) {
      beta[k] = alpha[k] / std::max(settings_.smoothing, distances[k]);
    }
    beta = shares(std::move(beta));
    distances = distances_to_mean();
  }
  return {.row_weights = beta, .diagnostics = updates.scored(distances)};
}

}  // namespace redoubt
