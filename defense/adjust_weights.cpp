#include "defense/adjust_weights.h"

#include <fmt/format.h>

#include <cmath>

#include "base/check.h"
#include "defense/judge.h"
#include "kernels/weights.h"

namespace redoubt {

namespace {

/// The layer's weights within a row, and its channels' masks.
struct LayerWeights {
  kernels::WeightShape shape;
  std::int64_t offset = 0;
  const float* mask = nullptr;
};

LayerWeights find_weights(Server& server, const ChannelSpan& layer) {
  const ParameterSpan* weight = server.layout().find(layer.name + ".weight");
  check(weight != nullptr, "a conv layer has a weight");
  return {.shape = {.channels = layer.channels, .per_channel = weight->size / layer.channels},
          .offset = weight->offset,
          .mask = server.model().mask.data() + layer.offset};
}

/// Columns of a row that a stage has set to 0, of the layer's weights before and after it.
std::vector<std::int64_t> zeroed_columns(Context& context, const LayerWeights& weights,
                                         const float* before, const float* after) {
  const std::int64_t count = weights.shape.channels * weights.shape.per_channel;
  const auto values_of = [&](const float* row) {
    std::vector<float> values(static_cast<std::size_t>(count));
    context.copy_to_host(values.data(), row + weights.offset, values.size() * sizeof(float));
    return values;
  };
  const std::vector<float> old_values = values_of(before);
  const std::vector<float> new_values = values_of(after);
  std::vector<std::int64_t> columns;
  for (std::int64_t i = 0; i < count; ++i) {
    if (old_values[i] != 0 && new_values[i] == 0) columns.push_back(weights.offset + i);
  }
  return columns;
}

}  // namespace

std::vector<double> delta_levels(const AdjustWeightsSettings& settings) {
  if (settings.delta) return {*settings.delta};
  std::vector<double> deltas;
  const auto steps =
      static_cast<int>(std::floor((settings.from - settings.to) / settings.step + 1e-9));
  for (int i = 0; i <= steps; ++i) deltas.push_back(settings.from - i * settings.step);
  return deltas;
}

void AdjustWeights::check(const AdjustWeightsSettings& settings, StageConditions& conditions) {
  constexpr int kMostLevels = 1000;
  if (!settings.delta && (settings.from - settings.to) / settings.step > kMostLevels) {
    throw InputError(fmt::format(
        "adjust_weights.step is {}; from {} to {} these are more than {} levels, each a model to "
        "evaluate",
        settings.step, settings.from, settings.to, kMostLevels));
  }
  conditions.layout.conv_channels_of("adjust_weights.layer", settings.layer);
  if (!settings.delta) conditions.need_judge("adjust_weights", settings.judge, settings.stop);
}

std::optional<Record> AdjustWeights::run(Server& server, const StageProgress& /*progress*/) const {
  const ChannelSpan& layer = server.layout().conv_channels(settings_.layer);
  const LayerWeights weights = find_weights(server, layer);
  Context& context = server.executor().context();
  GlobalModel& model = server.model();

  // μ and σ once, of the model as it comes, over the channels that are heard.
  const kernels::WeightMoments moments = kernels::weight_moments(
      context, weights.shape, model.row.data() + weights.offset, weights.mask);

  // Level 0 is the model as it comes; level i is a row of its own with Δ of the i-th level.
  const std::vector<double> deltas = delta_levels(settings_);
  const int count = static_cast<int>(deltas.size()) + 1;
  const std::int64_t row_size = model.row.count();
  Buffer<float> rows(model.row.device(), count * row_size);
  std::vector<std::int64_t> zeroed = {0};
  for (int level = 0; level < count; ++level) {
    float* row = rows.data() + level * row_size;
    context.copy_on_device(row, model.row.data(), model.row.bytes());
    if (level == 0) continue;
    const double reach = deltas[level - 1] * moments.deviation;
    zeroed.push_back(kernels::zero_weights_outside(context, weights.shape, moments.mean - reach,
                                                   moments.mean + reach, weights.mask,
                                                   row + weights.offset));
  }
  const ModelVariants variants = {.count = count,
                                  .parameters = rows.replicas(row_size),
                                  .masks = {model.mask.data(), 0},
                                  .inputs = {model.inputs}};
  const std::optional<int> given = settings_.delta ? std::optional(1) : std::nullopt;
  const LevelChoice levels = choose_level(server, variants, given, settings_.judge, settings_.stop);
  const int chosen = levels.chosen;
  context.copy_on_device(model.row.data(), rows.data() + chosen * row_size, model.row.bytes());
  // Fine-tuning would bring them back, and the backdoor with them.
  model.keep_at_zero(zeroed_columns(context, weights, rows.data(), model.row.data()));

  Record record = {.stage = name(), .values = {}};
  add_test_result(record, levels.result());
  record.add("layer", layer.name);
  record.add("zeroed_weights", zeroed[chosen]);
  if (chosen > 0) record.add("delta", deltas[chosen - 1]);
  record.add("mean", moments.mean);
  record.add("deviation", moments.deviation);
  record.add("level_zeroed_weights", zeroed);
  std::vector<double> numbers = {INFINITY};  // the untreated model
  numbers.insert(numbers.end(), deltas.begin(), deltas.end());
  add_curve(record, levels, "delta", std::move(numbers));
  record.note = fmt::format("{} weights of {} zeroed, {}", zeroed[chosen], layer.name,
                            chosen > 0 ? fmt::format("beyond {} deviations", deltas[chosen - 1])
                                       : "as the first step already cost too much");
  return record;
}

}  // namespace redoubt
