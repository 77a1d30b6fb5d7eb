#include "fl/attack/untargeted.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"
#include "engine/buffer.h"
#include "kernels/columns.h"

namespace redoubt {

void FlipLabels::edit_samples(const ClientRound& /*round*/,
                              std::vector<kernels::Sample>& samples) const {
  for (kernels::Sample& sample : samples) {
    if (!settings_.victim) {
      sample.label = static_cast<std::int16_t>(classes_ - 1 - sample.label);
    } else if (sample.label == *settings_.victim) {
      sample.label = static_cast<std::int16_t>(settings_.target);
    }
  }
}

void FlipSign::edit_update(const ClientRound& /*round*/, UpdateRow& update) const {
  const auto factor = static_cast<float>(-factor_);
  kernels::scale_rows(update.context, {.rows = 1, .columns = update.size}, {&factor, 1},
                      {update.values, 0});
}

void SendNoise::edit_update(const ClientRound& round, UpdateRow& update) const {
  RandomStream stream({.seed = seed_,
                       .purpose = Purpose::update_noise,
                       .client = static_cast<std::uint32_t>(round.client),
                       .round = static_cast<std::uint32_t>(round.round)});
  std::vector<float> noise(static_cast<std::size_t>(update.size));
  for (float& value : noise) value = static_cast<float>(deviation_ * stream.normal());
  const ColumnRange all = {.offset = 0, .size = update.size};
  const auto ranges = update.trained.empty() ? std::span(&all, 1) : update.trained;
  for (const ColumnRange& range : ranges) {
    update.context.copy_to_device(update.values + range.offset, noise.data() + range.offset,
                                  static_cast<std::size_t>(range.size) * sizeof(float));
  }
}

namespace {

/// 1 for each row that the attackers know: the honest clients', or else their own. Those that are
/// not finite are of no use to them.
std::vector<double> known_rows(Context& context, const CoalitionUpdates& updates, bool omniscient) {
  std::vector<std::uint8_t> finite(static_cast<std::size_t>(updates.shape.rows));
  kernels::finite_rows(context, updates.shape, updates.matrix, finite);
  std::vector<double> weights(finite.size(), omniscient ? 1.0 : 0.0);
  for (const int row : updates.attackers) {
    weights[static_cast<std::size_t>(row)] = omniscient ? 0 : 1;
  }
  for (std::size_t row = 0; row < finite.size(); ++row) {
    if (finite[row] == 0) weights[row] = 0;
  }
  return weights;
}

double sum_of(const std::vector<double>& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0.0);
}

void send_all(Context& context, const CoalitionUpdates& updates, const Buffer<float>& row) {
  for (const int attacker : updates.attackers) {
    context.copy_on_device(updates.matrix[attacker], row.data(), row.bytes());
  }
}

/// Φ⁻¹ by halving: z of Φ(z) = probability.
double normal_quantile(double probability) {
  double low = -10;
  double high = 10;
  while (high - low > 1e-12) {
    const double z = (low + high) / 2;
    (std::erfc(-z / std::sqrt(2.0)) / 2 < probability ? low : high) = z;
  }
  return low;
}

}  // namespace

double largest_hidden_shift(int clients, int malicious) {
  const int supporters = clients / 2 + 1 - malicious;
  const int honest = clients - malicious;
  if (honest <= 0) return 0;
  const double share = static_cast<double>(honest - supporters) / honest;
  return normal_quantile(std::clamp(share, 1e-6, 1 - 1e-6));
}

void LittleIsEnough::edit_updates(Context& context, const CoalitionUpdates& updates) const {
  const double z = settings_.shift.value_or(
      largest_hidden_shift(updates.shape.rows, static_cast<int>(updates.attackers.size())));
  const std::vector<double> known = known_rows(context, updates, settings_.omniscient);
  if (sum_of(known) == 0) return;
  Buffer<float> row(context.device(), updates.shape.columns);
  kernels::shifted_mean_columns(context, updates.shape, known, -z, updates.matrix, row.data());
  send_all(context, updates, row);
}

void ManipulateInnerProduct::edit_updates(Context& context, const CoalitionUpdates& updates) const {
  std::vector<double> weights = known_rows(context, updates, settings_.omniscient);
  const double known = sum_of(weights);
  if (known == 0) return;
  for (double& weight : weights) weight *= -settings_.epsilon / known;
  Buffer<float> row(context.device(), updates.shape.columns);
  kernels::weighted_sum_rows(context, updates.shape, weights, updates.matrix, row.data());
  send_all(context, updates, row);
}

}  // namespace redoubt
