// What malicious clients add to a training step.
#include <algorithm>
#include <cmath>

#include "kernels/evasion.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

constexpr int kReplicas = 3;

struct Distances {
  double squared = 0;
  double cosine = 0;
};

/// The cosine is of the columns that are counted.
Distances distances(const Values& w, const Values& anchor, const Values& direction,
                    const Values& counted) {
  double squared = 0;
  double dd = 0;
  double dm = 0;
  double mm = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    squared += (w[i] - anchor[i]) * (w[i] - anchor[i]);
    if (counted[i] == 0) continue;
    dd += (w[i] - anchor[i]) * (w[i] - anchor[i]);
    dm += (w[i] - anchor[i]) * direction[i];
    mm += direction[i] * direction[i];
  }
  return {.squared = squared, .cosine = dd * mm > 0 ? 1 - dm / std::sqrt(dd * mm) : 0};
}

/// Both metrics' gradients, mixed with a gradient that is there, by central differences.
Values mixed(bool cosine, double rho, const Values& w, const Values& anchor,
             const Values& direction, const Values& counted, const Values& gradient) {
  Values result;
  for (std::size_t i = 0; i < w.size(); ++i) {
    constexpr double kStep = 1e-5;
    Values above = w;
    Values below = w;
    above[i] += kStep;
    below[i] -= kStep;
    const Distances up = distances(above, anchor, direction, counted);
    const Distances down = distances(below, anchor, direction, counted);
    const double slope =
        (cosine ? up.cosine - down.cosine : up.squared - down.squared) / (2 * kStep);
    result.push_back((1 - rho) * gradient[i] + rho * slope);
  }
  return result;
}

OperationCase metric_case(std::int64_t size, double rho, bool some_rest) {
  const Values w = random_values(61, kReplicas * size);
  const Values gradient = random_values(62, kReplicas * size);
  const Values anchor = random_values(63, size);
  const Values direction = random_values(64, size);
  // Every third column counts for nothing where some replicas rest.
  Values counted(static_cast<std::size_t>(size), 1.0);
  for (std::size_t i = 0; i < counted.size() && some_rest; i += 3) counted[i] = 0;
  OperationCase entry;
  entry.family = "evasion";
  entry.name = std::to_string(size) + " parameters" + (some_rest ? ", some rest" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> values(device, kReplicas, size, {3}, w);
    Blocks<float> squared(device, kReplicas, size, {5}, gradient);
    Blocks<float> cosine(device, kReplicas, size, {7}, gradient);
    Blocks<float> from(device, 1, size, {1}, anchor);
    Blocks<float> along(device, 1, size, {1}, direction);
    const std::vector<std::uint8_t> flags = {1, static_cast<std::uint8_t>(some_rest ? 0 : 1), 1};
    const Buffer<std::uint8_t> active(device, std::span<const std::uint8_t>(flags));
    kernels::mix_squared_distance(context, kReplicas, size, static_cast<float>(rho),
                                  from.view().data, values.view(), squared.view(), active.data());
    Blocks<float> counts(device, 1, size, {1}, counted);
    kernels::mix_cosine_distance(
        context, kReplicas, size, static_cast<float>(rho), from.view().data, along.view().data,
        some_rest ? counts.view().data : nullptr, values.view(), cosine.view(), active.data());
    context.synchronize();
    return {{"squared_distance", squared.values()}, {"cosine_distance", cosine.values()}};
  };
  entry.reference = [=]() -> Results {
    Results results = {{"squared_distance", {}, 1e-6}, {"cosine_distance", {}, 1e-6}};
    for (int r = 0; r < kReplicas; ++r) {
      const Values own = block(w, size, r);
      const Values before = block(gradient, size, r);
      const bool rests = some_rest && r == 1;
      for (const bool cosine : {false, true}) {
        const Values now =
            rests ? before : mixed(cosine, rho, own, anchor, direction, counted, before);
        Values& all = results[cosine ? 1 : 0].values;
        all.insert(all.end(), now.begin(), now.end());
      }
    }
    return results;
  };
  return entry;
}

/// A model at its anchor, and a direction of zeros: there is no cosine, so nothing is added.
OperationCase no_direction_case() {
  const std::int64_t size = 40;
  const Values w = random_values(65, size);
  const Values gradient = random_values(66, size);
  const Values zeros(static_cast<std::size_t>(size), 0.0);
  OperationCase entry;
  entry.family = "evasion";
  entry.name = "no direction";
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> values(device, 1, size, {}, w);
    Blocks<float> same(device, 1, size, {}, w);
    Blocks<float> nothing(device, 1, size, {}, zeros);
    Blocks<float> at_anchor(device, 1, size, {}, gradient);
    Blocks<float> without(device, 1, size, {}, gradient);
    kernels::mix_cosine_distance(context, 1, size, 0.25F, same.view().data, same.view().data,
                                 nullptr, values.view(), at_anchor.view());
    kernels::mix_cosine_distance(context, 1, size, 0.25F, nothing.view().data, nothing.view().data,
                                 nullptr, values.view(), without.view());
    context.synchronize();
    return {{"at_anchor", at_anchor.values()}, {"without_direction", without.values()}};
  };
  entry.reference = [=]() -> Results {
    Values kept;
    for (const double value : gradient) kept.push_back(0.75 * value);
    return {{"at_anchor", kept, 1e-7}, {"without_direction", kept, 1e-7}};
  };
  return entry;
}

OperationCase clip_case(int channels, std::int64_t per_channel, double delta, bool with_masks) {
  const std::int64_t size = channels * per_channel;
  const Values weights = random_values(67, kReplicas * size);
  const Values masks = random_masks(68, kReplicas * channels);
  OperationCase entry;
  entry.family = "evasion";
  entry.name = "clip " + std::to_string(channels) + "x" + std::to_string(per_channel) +
               (with_masks ? ", masked" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> w(device, kReplicas, size, {3}, weights);
    Blocks<float> m(device, kReplicas, channels, {3}, masks);
    const std::vector<std::uint8_t> flags = {1, 1, 0};
    const Buffer<std::uint8_t> active(device, std::span<const std::uint8_t>(flags));
    kernels::clip_to_deviations(context, kReplicas, {channels, per_channel}, delta,
                                with_masks ? m.view() : kernels::Replicas<float>(), w.view(),
                                active.data());
    context.synchronize();
    return {{"weights", w.values()}};
  };
  entry.reference = [=]() -> Results {
    Values all;
    for (int r = 0; r < kReplicas; ++r) {
      Values own = block(weights, size, r);
      const Values mask = block(masks, channels, r);
      double sum = 0;
      double squares = 0;
      double count = 0;
      const auto counts = [&](std::size_t i) {
        return !with_masks || mask[i / static_cast<std::size_t>(per_channel)] != 0;
      };
      for (std::size_t i = 0; i < own.size(); ++i) {
        if (!counts(i)) continue;
        sum += own[i];
        count += 1;
      }
      const double mean = count > 0 ? sum / count : 0;
      for (std::size_t i = 0; i < own.size(); ++i) {
        if (counts(i)) squares += (own[i] - mean) * (own[i] - mean);
      }
      const double reach = delta * (count > 0 ? std::sqrt(squares / count) : 0);
      for (double& value : own) {
        if (r != 2) value = std::clamp(value, mean - reach, mean + reach);
      }
      all.insert(all.end(), own.begin(), own.end());
    }
    return {{"weights", all, 1e-7}};
  };
  return entry;
}

}  // namespace

void add_evasion_cases(std::vector<OperationCase>& cases) {
  for (const std::int64_t size : {1, 33, 500}) {
    cases.push_back(metric_case(size, 0.3, false));
    cases.push_back(metric_case(size, 1, true));
  }
  cases.push_back(no_direction_case());
  for (const bool with_masks : {false, true}) {
    cases.push_back(clip_case(1, 1, 1, with_masks));
    cases.push_back(clip_case(6, 54, 1.2, with_masks));
    cases.push_back(clip_case(50, 25, 0.5, with_masks));
    // More weights than a GPU's block holds in registers.
    cases.push_back(clip_case(70, 484, 1.1, with_masks));
  }
}

}  // namespace redoubt::test
