#include "defense/foolsgold.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/parallel.h"

namespace redoubt {

FoolsGold::FoolsGold(const FoolsGoldSettings& settings, const RuleEnvironment& environment)
    : settings_(settings), features_(environment.executor.network().layout().trained_ranges()) {
  const ParameterLayout& layout = environment.executor.network().layout();
  if (settings.features == FoolsGoldSettings::Features::output_layer) {
    for (const ParameterSpan& span : layout.spans()) {
      if (span.role != ParameterSpan::Role::weight) continue;
      features_ = {{.offset = span.offset, .size = span.size}};
    }
  }
  for (const ColumnRange& range : features_) size_ += range.size;
}

std::vector<double> foolsgold_weights(std::vector<double> similarity, int clients,
                                      double confidence) {
  const auto n = static_cast<std::size_t>(clients);
  // v_i: the greatest similarity of client i to another.
  std::vector<double> greatest(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      if (i != j) greatest[i] = std::max(greatest[i], similarity[i * n + j]);
    }
  }
  // Pardoning: where j is more suspicious than i, their likeness counts less against i.
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      if (i != j && greatest[j] > greatest[i]) similarity[i * n + j] *= greatest[i] / greatest[j];
    }
  }
  std::vector<double> alpha(n, 1.0);
  for (std::size_t i = 0; i < n; ++i) {
    double most = 0;
    for (std::size_t j = 0; j < n; ++j) {
      if (i != j) most = std::max(most, similarity[i * n + j]);
    }
    // Histories that differ by rounding only are equal: their α is not scaled up to 1 below.
    constexpr double kRounding = 1e-9;
    alpha[i] = 1 - most < kRounding ? 0 : std::min(1 - most, 1.0);
  }
  // The logit widens the distance between likely honest and likely malicious.
  const double best = *std::max_element(alpha.begin(), alpha.end());
  for (double& a : alpha) {
    if (best > 0) a /= best;
    if (a <= 0) continue;
    a = a >= 1 ? 1 : std::clamp(confidence * (std::log(a / (1 - a)) + 0.5), 0.0, 1.0);
  }
  return alpha;
}

namespace {

/// Σ a · b in double: histories of sybils may differ in the fourth digit only.
double product(const std::vector<float>& a, const std::vector<float>& b) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (; i < a.size(); ++i) sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// cs_ij, the cosine similarity of each pair of histories, [n x n]; 0 to one that is 0.
std::vector<double> cosines(const std::vector<const std::vector<float>*>& histories, int threads) {
  const std::size_t n = histories.size();
  std::vector<double> similarity(n * n);
  parallel_for(static_cast<int>(n), threads, [&](int row, int /*worker*/) {
    const auto i = static_cast<std::size_t>(row);
    for (std::size_t j = 0; j <= i; ++j) {
      similarity[i * n + j] = product(*histories[i], *histories[j]);
    }
  });
  std::vector<double> norms(n);
  for (std::size_t i = 0; i < n; ++i) norms[i] = std::sqrt(similarity[i * n + i]);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double lengths = norms[i] * norms[j];
      similarity[i * n + j] = lengths > 0 ? similarity[i * n + j] / lengths : 0;
      similarity[j * n + i] = similarity[i * n + j];
    }
  }
  return similarity;
}

}  // namespace

Aggregate FoolsGold::aggregate(Context& context, const UpdateMatrix& updates) {
  const int n = updates.shape.rows;
  std::vector<double> scale(static_cast<std::size_t>(n), 1.0);
  if (settings_.unit_length) {
    scale = updates.lengths(context);
    for (double& factor : scale) factor = 1 / std::max(1.0, factor);
  }
  // H_i += Δ_i
  std::vector<const std::vector<float>*> histories;
  for (int row = 0; row < n; ++row) {
    const std::vector<float> features = updates.columns_of(context, row, features_);
    std::vector<float>& history = history_[updates.clients[row]];
    history.resize(features.size());
    for (std::size_t i = 0; i < features.size(); ++i) {
      history[i] += static_cast<float>(scale[row] * static_cast<double>(features[i]));
    }
    histories.push_back(&history);
  }
  const std::vector<double> alpha =
      foolsgold_weights(cosines(histories, context.threads()), n, settings_.confidence);
  Aggregate aggregate = {.row_weights = alpha, .diagnostics = updates.scored(alpha)};
  const double all = std::accumulate(alpha.begin(), alpha.end(), 0.0);
  if (!settings_.unit_length || all == 0) return aggregate;
  std::vector<double> scaled;
  for (double& weight : aggregate.row_weights) {
    weight /= all;
    scaled.push_back(weight * scale[scaled.size()]);
  }
  aggregate.combined = updates.combined(context, scaled, aggregate.row_weights);
  return aggregate;
}

std::vector<NamedTensor> FoolsGold::state() const {
  std::vector<NamedTensor> tensors;
  for (const auto& [client, history] : history_) {
    tensors.push_back(
        {.name = "history." + std::to_string(client), .shape = {size_}, .values = history});
  }
  return tensors;
}

void FoolsGold::restore(const std::vector<NamedTensor>& state) {
  history_.clear();
  for (const NamedTensor& tensor : state) {
    if (!tensor.name.starts_with("history.") || std::ssize(tensor.values) != size_) {
      throw InputError("the state of the rule foolsgold does not fit: " + tensor.name);
    }
    history_[std::stoi(tensor.name.substr(8))] = tensor.values;
  }
}

}  // namespace redoubt
