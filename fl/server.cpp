#include "fl/server.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace redoubt {

std::vector<Evaluation> Server::validate(const ModelVariants& variants) {
  std::vector<Evaluation> evaluations;
  for (const auto& totals : executor().evaluate(variants, images_.validation)) {
    evaluations.push_back({.accuracy = totals.accuracy(), .loss = totals.mean_loss()});
  }
  return evaluations;
}

std::vector<Evaluation> Server::ask_clients(const ModelVariants& variants) {
  std::vector<Evaluation> evaluations;
  for (const double accuracy : federation_.ask_accuracies(variants, next_round_)) {
    evaluations.push_back({.accuracy = accuracy, .loss = std::numeric_limits<double>::quiet_NaN()});
  }
  return evaluations;
}

std::vector<TestResult> Server::test(const ModelVariants& variants) {
  std::vector<TestResult> results;
  for (const auto& totals : executor().evaluate(variants, images_.clean)) {
    results.push_back({.clean = {.accuracy = totals.accuracy(), .loss = totals.mean_loss()}});
  }
  if (images_.stamped.empty()) return results;
  const auto stamped = executor().evaluate(variants, images_.stamped);
  const auto baseline = executor().evaluate(variants, images_.baseline);
  for (std::size_t v = 0; v < results.size(); ++v) {
    results[v].attack_images = stamped[v].count;
    // What answers NaN never says the target's name: no merit of a defense.
    if (!std::isfinite(results[v].clean.loss)) continue;
    results[v].attack_success_rate = stamped[v].accuracy();
    if (baseline[v].count > 0) results[v].attack_success_baseline = baseline[v].accuracy();
  }
  return results;
}

namespace {

/// As large a share of images called one class is a collapse.
constexpr double kNearlyAll = 0.95;

/// At most so many of the samples, at equal distances.
std::vector<kernels::Sample> thinned(std::span<const kernels::Sample> samples, std::size_t most) {
  const std::size_t step = std::max<std::size_t>(1, samples.size() / most);
  std::vector<kernels::Sample> some;
  for (std::size_t i = 0; i < samples.size(); i += step) some.push_back(samples[i]);
  return some;
}

/// The share of the samples that is of the most frequent class.
double largest_share(std::span<const kernels::Sample> samples, int classes) {
  std::vector<int> counts(static_cast<std::size_t>(classes));
  for (const kernels::Sample& sample : samples) ++counts[static_cast<std::size_t>(sample.label)];
  return *std::max_element(counts.begin(), counts.end()) / static_cast<double>(samples.size());
}

}  // namespace

std::optional<int> Server::collapsed_class(double accuracy) {
  constexpr std::size_t kEnough = 1000;
  const int classes = executor().network().classes();
  if (images_.clean.empty()) return {};
  // Who calls nearly all images one class is right about that class' at most.
  if (!(accuracy <= largest_share(images_.clean, classes) + (1 - kNearlyAll))) return {};
  std::vector<kernels::Sample> some = thinned(images_.clean, kEnough);
  for (int label = 0; label < classes; ++label) {
    for (kernels::Sample& sample : some) sample.label = static_cast<std::int16_t>(label);
    if (executor().evaluate(model_.variant(), some).front().accuracy() >= kNearlyAll) return label;
  }
  return {};
}

RoundReport Server::train_round(float learning_rate) {
  return federation_.run_round(model_, next_round_++, learning_rate);
}

}  // namespace redoubt
