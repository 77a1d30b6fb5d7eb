// What terms of a training step do.
#include <algorithm>
#include <cmath>

#include "kernels/terms.h"
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
  entry.family = "terms";
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
    const kernels::TermRows rows = {kReplicas, size, active.data()};
    Blocks<float> counts(device, 1, size, {1}, counted);
    const kernels::DistanceShare distance = {.rho = static_cast<float>(rho),
                                             .anchor = from.view().data,
                                             .direction = along.view().data,
                                             .counted = some_rest ? counts.view().data : nullptr};
    kernels::mix_squared_distance(context, rows, distance, values.view(), squared.view());
    kernels::mix_cosine_distance(context, rows, distance, values.view(), cosine.view());
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
  entry.family = "terms";
  entry.name = "no direction";
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> values(device, 1, size, {}, w);
    Blocks<float> same(device, 1, size, {}, w);
    Blocks<float> nothing(device, 1, size, {}, zeros);
    Blocks<float> at_anchor(device, 1, size, {}, gradient);
    Blocks<float> without(device, 1, size, {}, gradient);
    const auto mix = [&](Blocks<float>& row, Blocks<float>& gradients) {
      kernels::mix_cosine_distance(
          context, {1, size},
          {.rho = 0.25F, .anchor = row.view().data, .direction = row.view().data}, values.view(),
          gradients.view());
    };
    mix(same, at_anchor);
    mix(nothing, without);
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
  entry.family = "terms";
  entry.name = "clip " + std::to_string(channels) + "x" + std::to_string(per_channel) +
               (with_masks ? ", masked" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> w(device, kReplicas, size, {3}, weights);
    Blocks<float> m(device, kReplicas, channels, {3}, masks);
    const std::vector<std::uint8_t> flags = {1, 1, 0};
    const Buffer<std::uint8_t> active(device, std::span<const std::uint8_t>(flags));
    kernels::clip_to_deviations(context, {kReplicas, size, active.data()}, {channels, per_channel},
                                delta, with_masks ? m.view() : kernels::Replicas<float>(),
                                w.view());
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

/// Some replicas' gradients times a mask, some rest.
OperationCase mask_case(std::int64_t size) {
  const Values gradient = random_values(71, kReplicas * size);
  const Values mask = random_values(72, size);
  OperationCase entry;
  entry.family = "terms";
  entry.name = "mask " + std::to_string(size);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> gradients(device, kReplicas, size, {3}, gradient);
    Blocks<float> factors(device, 1, size, {1}, mask);
    const std::vector<std::uint8_t> flags = {1, 0, 1};
    const Buffer<std::uint8_t> active(device, std::span<const std::uint8_t>(flags));
    kernels::mask_gradients(context, {kReplicas, size, active.data()}, factors.view().data,
                            gradients.view());
    context.synchronize();
    return {{"gradients", gradients.values()}};
  };
  entry.reference = [=]() -> Results {
    Values all = gradient;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto columns = static_cast<std::size_t>(size);
      if (i / columns != 1) all[i] *= mask[i % columns];
    }
    return {{"gradients", all, 1e-7}};
  };
  return entry;
}

/// Replica 0 lies within the ball, the others outside, of which one rests; and a step that is none
/// of those that end there.
OperationCase ball_case(std::int64_t size) {
  const Values centre = random_values(73, size);
  Values away = random_values(74, size);
  // The last of many columns has no part, however far it lies off.
  Values counted(static_cast<std::size_t>(size), 1.0);
  if (size > 1) counted.back() = 0;
  constexpr double kRadius = 1.5;
  double length = 0;
  for (std::size_t i = 0; i < away.size(); ++i) length += counted[i] * away[i] * away[i];
  length = std::sqrt(length);
  Values start;
  for (const double distance : {0.5 * kRadius, 3 * kRadius, 5 * kRadius}) {
    for (std::size_t i = 0; i < away.size(); ++i) {
      start.push_back(centre[i] + distance / length * away[i]);
    }
  }
  OperationCase entry;
  entry.family = "terms";
  entry.name = "ball " + std::to_string(size);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> due(device, kReplicas, size, {3}, start);
    Blocks<float> other(device, kReplicas, size, {3}, start);
    Blocks<float> from(device, 1, size, {1}, centre);
    Blocks<float> counts(device, 1, size, {1}, counted);
    const std::vector<std::uint8_t> flags = {1, 1, 0};
    const Buffer<std::uint8_t> active(device, std::span<const std::uint8_t>(flags));
    const std::vector<std::int32_t> before = {5, 6};
    const Buffer<std::int32_t> step(device, std::span<const std::int32_t>(before));
    const kernels::Ball ball = {
        .radius = kRadius, .centre = from.view().data, .counted = counts.view().data, .every = 3};
    const kernels::TermRows rows = {kReplicas, size, active.data()};
    kernels::project_onto_ball(context, rows, ball, step.data(), due.view());
    kernels::project_onto_ball(context, rows, ball, step.data() + 1, other.view());
    context.synchronize();
    return {{"due", due.values()}, {"other", other.values()}};
  };
  entry.reference = [=]() -> Results {
    Values ends = start;
    for (std::size_t i = 0; i < away.size(); ++i) {
      if (counted[i] != 0) ends[away.size() + i] = centre[i] + kRadius / length * away[i];
    }
    return {{"due", ends, 1e-6}, {"other", start, 1e-7}};
  };
  return entry;
}

}  // namespace

void add_term_cases(std::vector<OperationCase>& cases) {
  for (const std::int64_t size : {1, 33, 500}) {
    cases.push_back(metric_case(size, 0.3, false));
    cases.push_back(metric_case(size, 1, true));
  }
  for (const std::int64_t size : {1, 33, 500, 9002}) {
    cases.push_back(mask_case(size));
    cases.push_back(ball_case(size));
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
