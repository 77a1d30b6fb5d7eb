#include "defense/checks.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "defense/filter.h"

namespace redoubt {

namespace {

/// One standard normal number a column, the same for any number of threads.
std::vector<float> gaussian_noise(std::int64_t columns, double deviation, const RandomKey& key,
                                  int threads) {
  constexpr std::int64_t kBlock = 65536;
  std::vector<float> noise(columns);
  const auto blocks = static_cast<int>((columns + kBlock - 1) / kBlock);
  parallel_for(blocks, threads, [&](int block, int /*worker*/) {
    RandomKey own = key;
    own.step = static_cast<std::uint32_t>(block);
    RandomStream stream(own);
    const std::int64_t end = std::min(columns, (block + 1) * kBlock);
    for (std::int64_t i = block * kBlock; i < end; ++i) {
      noise[i] = static_cast<float>(deviation * stream.normal());
    }
  });
  return noise;
}

}  // namespace

Aggregate NormBound::aggregate(Context& context, const UpdateMatrix& updates) {
  const std::vector<double> norms = updates.lengths(context);
  double samples = 0;
  for (const double count : updates.sample_counts) samples += count;
  std::vector<double> shares;
  std::vector<double> bounded;
  std::int64_t clipped = 0;
  for (std::size_t k = 0; k < norms.size(); ++k) {
    const double scale = norms[k] > settings_.norm ? settings_.norm / norms[k] : 1;
    shares.push_back(updates.sample_counts[k] / samples);
    bounded.push_back(shares.back() * scale);
    clipped += scale < 1 ? 1 : 0;
  }
  // Lengths are of what is trained: statistics have no part in them and are not scaled.
  Aggregate aggregate = {.row_weights = {}, .combined = updates.combined(context, bounded, shares)};
  if (settings_.noise > 0) {
    const std::vector<float> noise =
        gaussian_noise(updates.shape.columns, settings_.noise,
                       {.seed = seed_,
                        .purpose = Purpose::server_noise,
                        .round = static_cast<std::uint32_t>(updates.round)},
                       context.threads());
    const Buffer<float> on_device(context.device(), std::span<const float>(noise));
    for (const ColumnRange& range : updates.trained_tensors) {
      kernels::axpy_rows(context, {.rows = 1, .columns = range.size}, 1,
                         {on_device.data() + range.offset, 0},
                         {aggregate.combined.data() + range.offset, 0});
    }
  }
  aggregate.diagnostics = {{"clipped_clients", clipped}, {kMedianLength, lower_median(norms)}};
  return aggregate;
}

Aggregate NormCheck::aggregate(Context& context, const UpdateMatrix& updates) {
  const std::vector<double> norms = updates.lengths(context);
  const double bound =
      settings_.norm ? *settings_.norm : settings_.times_median * lower_median(norms);
  return without_suspects(updates, norms, [&](double norm) { return norm > bound; });
}

void AccuracyCheck::check(const AccuracyCheckSettings& /*settings*/,
                          const RuleConditions& conditions) {
  conditions.need_validation(kName);
}

Aggregate AccuracyCheck::aggregate(Context& context, const UpdateMatrix& updates) {
  Executor& executor = environment_.executor;
  const std::int64_t columns = updates.shape.columns;
  Buffer<float> model(context.device(), columns);
  std::vector<double> accuracies;
  for (int row = 0; row < updates.shape.rows; ++row) {
    context.copy_on_device(model.data(), updates.matrix[row], model.bytes());
    kernels::axpy_rows(context, {.rows = 1, .columns = columns}, 1, {updates.global, 0},
                       {model.data(), 0});
    const ModelVariants one = {
        .parameters = {model.data(), 0}, .masks = {updates.mask, 0}, .inputs = {updates.inputs}};
    accuracies.push_back(executor.evaluate(one, environment_.validation).front().accuracy());
  }
  const double least = lower_median(accuracies) - settings_.drop;
  return without_suspects(updates, accuracies, [&](double accuracy) { return accuracy < least; });
}

}  // namespace redoubt
