#include "defense/foolsgold.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

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

Aggregate FoolsGold::aggregate(Context& context, const UpdateMatrix& updates) {
  const int n = updates.shape.rows;
  // H_i += Δ_i
  std::vector<float> histories;
  for (int row = 0; row < n; ++row) {
    const std::vector<float> features = updates.columns_of(context, row, features_);
    std::vector<float>& history = history_[updates.clients[row]];
    history.resize(features.size());
    for (std::size_t i = 0; i < features.size(); ++i) history[i] += features[i];
    histories.insert(histories.end(), history.begin(), history.end());
  }
  // cs_ij = cosine similarity of the histories
  const auto count = static_cast<std::size_t>(n);
  std::vector<double> similarity(count * count);
  Context host(Device(), context.threads());
  kernels::gram(host, {.rows = n, .columns = size_}, {histories.data(), size_}, similarity);
  std::vector<double> norms(count);
  for (std::size_t i = 0; i < count; ++i) norms[i] = std::sqrt(similarity[i * count + i]);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < count; ++j) {
      const double product = norms[i] * norms[j];
      similarity[i * count + j] = product > 0 ? similarity[i * count + j] / product : 0;
    }
  }
  const std::vector<double> alpha = foolsgold_weights(similarity, n, settings_.confidence);
  return {.row_weights = alpha, .diagnostics = updates.scored(alpha)};
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
