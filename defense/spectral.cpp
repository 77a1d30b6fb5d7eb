#include "defense/spectral.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/random.h"
#include "defense/filter.h"
#include "engine/fleet.h"
#include "fl/federation.h"

namespace redoubt {

using kernels::Sample;

namespace {

/// The sampled coordinates of a row's parameters; all of them if there are no more.
std::vector<std::int64_t> draw_columns(const SpectralSettings& settings,
                                       const ParameterLayout& layout, std::uint64_t seed) {
  std::vector<std::int64_t> columns;
  const auto add = [&](const ParameterSpan& span) {
    for (std::int64_t i = 0; i < span.size; ++i) columns.push_back(span.offset + i);
  };
  if (settings.layer != "all") add(layout.conv_weight(settings.layer));
  for (const ParameterSpan& span : layout.spans()) {
    if (settings.layer == "all" && span.role != ParameterSpan::Role::statistic) add(span);
  }
  const auto wanted =
      std::min<std::size_t>(static_cast<std::size_t>(settings.dimensions), columns.size());
  RandomStream stream({.seed = seed, .purpose = Purpose::surrogate_columns});
  for (std::size_t i = 0; i < wanted; ++i) {
    std::swap(columns[i],
              columns[i + stream.below(static_cast<std::uint32_t>(columns.size() - i))]);
  }
  columns.resize(wanted);
  std::sort(columns.begin(), columns.end());
  return columns;
}

/// The rows' values in these columns; `keep` [rows] says which rows.
Points surrogates(Context& context, int rows, kernels::Replicas<const float> matrix,
                  const std::vector<std::int64_t>& columns, const std::vector<std::uint8_t>& keep) {
  Points points = {.count = 0, .size = static_cast<int>(columns.size()), .values = {}};
  const std::int64_t first = columns.front();
  std::vector<float> values(static_cast<std::size_t>(columns.back() - first + 1));
  for (int row = 0; row < rows; ++row) {
    if (keep[row] == 0) continue;
    context.copy_to_host(values.data(), matrix[row] + first, values.size() * sizeof(float));
    for (const std::int64_t column : columns) {
      points.values.push_back(values[column - first]);
    }
    ++points.count;
  }
  return points;
}

/// A bootstrap sample (Efron 1979) of the server's images, in a fresh order each epoch.
std::vector<Sample> bootstrap(std::span<const Sample> images, std::size_t count, int epochs,
                              RandomKey key) {
  RandomStream draws(key);
  std::vector<Sample> drawn(count);
  for (Sample& sample : drawn) {
    sample = images[draws.below(static_cast<std::uint32_t>(images.size()))];
  }
  std::vector<Sample> samples;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    key.step = static_cast<std::uint32_t>(epoch + 1);
    RandomStream order(key);
    order.shuffle(std::span(drawn));
    samples.insert(samples.end(), drawn.begin(), drawn.end());
  }
  return samples;
}

std::vector<double> mean_of(const Points& points) {
  std::vector<double> mean(points.size);
  for (int i = 0; i < points.count; ++i) {
    const std::span<const float> point = points.point(i);
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += static_cast<double>(point[c]);
  }
  for (double& value : mean) value /= std::max(points.count, 1);
  return mean;
}

Points less(Points points, const std::vector<double>& mean) {
  for (std::size_t i = 0; i < points.values.size(); ++i) {
    float& value = points.values[i];
    value = static_cast<float>(static_cast<double>(value) - mean[i % mean.size()]);
  }
  return points;
}

Points all_of(const std::deque<Points>& past, Points points) {
  for (const Points& round : past) {
    points.values.insert(points.values.end(), round.values.begin(), round.values.end());
    points.count += round.count;
  }
  return points;
}

Points without(Points points, int index) {
  const auto first = points.values.begin() + std::ptrdiff_t{index} * points.size;
  points.values.erase(first, first + points.size);
  --points.count;
  return points;
}

/// The greatest error that a reference has by what the others teach.
double greatest_left_out_error(const std::deque<Points>& past, const Points& references,
                               int components) {
  double greatest = 0;
  for (int i = 0; i < references.count; ++i) {
    const Normality others(past, without(references, i), components);
    greatest = std::max(greatest, others.error(references.point(i)));
  }
  return greatest;
}

}  // namespace

Normality::Normality(const std::deque<Points>& past, const Points& references, int components)
    : mean_(mean_of(references)),
      deviations_(less(references, mean_)),
      components_(all_of(past, deviations_), components) {}

double Normality::error(std::span<const float> surrogate) const {
  std::vector<double> x(surrogate.begin(), surrogate.end());
  for (std::size_t c = 0; c < x.size(); ++c) x[c] -= mean_[c];
  return components_.squared_residual(std::move(x));
}

Spectral::Spectral(const SpectralSettings& settings, const RuleEnvironment& environment)
    : settings_(settings),
      environment_(environment),
      columns_(draw_columns(settings, environment.executor.network().layout(), environment.seed)) {}

Points Spectral::references(Context& context, const UpdateMatrix& updates) const {
  const ParameterLayout& layout = environment_.executor.network().layout();
  LocalTraining training = environment_.local;
  learning_rate_of(training.optimizer) = updates.learning_rate;
  const auto images = static_cast<std::size_t>(settings_.samples.value_or(static_cast<int>(
      lower_median({updates.sample_counts.begin(), updates.sample_counts.end()}))));

  const int rows = settings_.references;
  Fleet fleet(layout, rows, state_rows_of(training.optimizer), context.device());
  const kernels::MatrixShape shape = {.rows = rows, .columns = fleet.pitch()};
  std::vector<std::vector<Sample>> samples;
  std::vector<TrainingTask> tasks;
  Terms terms;
  add_last_conv_penalty(layout, training.last_conv_l2, terms);
  if (updates.kept != nullptr) terms.add(GradientMask(updates.kept));
  for (int row = 0; row < rows; ++row) {
    context.copy_on_device(fleet.values()[row], updates.global,
                           static_cast<std::size_t>(shape.columns) * sizeof(float));
    RandomKey key = {.seed = environment_.seed,
                     .purpose = Purpose::reference_samples,
                     .client = static_cast<std::uint32_t>(row),
                     .round = static_cast<std::uint32_t>(updates.round)};
    samples.push_back(bootstrap(environment_.validation, images, training.epochs, key));
    key.purpose = Purpose::reference_dropout;
    tasks.push_back({.row = row,
                     .samples = samples.back(),
                     .epochs = training.epochs,
                     .batch = training.batch,
                     .optimizer = training.optimizer,
                     .terms = terms,
                     .inputs = updates.inputs,
                     .key = key});
  }
  environment_.executor.train(fleet, tasks, {updates.mask, 0});
  kernels::subtract_row(context, shape, updates.global, fleet.values());
  std::vector<std::uint8_t> finite(rows);
  kernels::finite_rows(context, shape, fleet.values(), finite);
  return surrogates(context, rows, fleet.values(), columns_, finite);
}

void Spectral::check(const SpectralSettings& settings, const RuleConditions& conditions) {
  conditions.need_validation(kName);
  if (settings.layer != "all") conditions.layout.conv_weight(settings.layer);
}

Aggregate Spectral::aggregate(Context& context, const UpdateMatrix& updates) {
  const Points own = references(context, updates);
  while (std::ssize(deviations_) >= settings_.memory) deviations_.pop_front();
  const Normality normality(deviations_, own, settings_.components);

  const std::vector<std::uint8_t> all(updates.clients.size(), 1);
  const Points clients = surrogates(context, updates.shape.rows, updates.matrix, columns_, all);
  std::vector<double> errors;
  for (int row = 0; row < clients.count; ++row)
    errors.push_back(normality.error(clients.point(row)));

  const double threshold =
      settings_.threshold == SpectralSettings::Threshold::mean
          ? std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(errors.size())
          : greatest_left_out_error(deviations_, own, settings_.components);
  deviations_.push_back(normality.deviations());
  // The mean of equal numbers may be rounded to below them.
  constexpr double kRounding = 1e-9;
  Aggregate aggregate = without_suspects(updates, std::move(errors), [&](double error) {
    return error > threshold * (1 + kRounding);
  });
  aggregate.diagnostics.emplace_back("threshold", threshold);
  return aggregate;
}

namespace {

const std::string kDeviations = "deviations.";

}  // namespace

std::vector<NamedTensor> Spectral::state() const {
  std::vector<NamedTensor> tensors;
  for (const Points& round : deviations_) {
    tensors.push_back({.name = kDeviations + std::to_string(tensors.size()),
                       .shape = {round.count, round.size},
                       .values = round.values});
  }
  return tensors;
}

void Spectral::restore(const std::vector<NamedTensor>& state) {
  const auto size = std::ssize(columns_);
  std::deque<Points> rounds;
  // By name, as a file may hold them in another order.
  for (std::size_t round = 0; round < state.size(); ++round) {
    const std::string name = kDeviations + std::to_string(round);
    const auto tensor = std::find_if(state.begin(), state.end(),
                                     [&](const NamedTensor& each) { return each.name == name; });
    if (tensor == state.end() || tensor->shape.size() != 2 || tensor->shape[1] != size) {
      throw InputError("the state of the rule spectral does not fit: it has no " + name + " of " +
                       std::to_string(size) + " numbers a reference");
    }
    rounds.push_back({.count = static_cast<int>(tensor->shape[0]),
                      .size = static_cast<int>(size),
                      .values = tensor->values});
  }
  deviations_ = std::move(rounds);
}

}  // namespace redoubt
