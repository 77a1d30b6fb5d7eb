#include "fl/server.h"

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
  for (std::size_t v = 0; v < results.size(); ++v) {
    // What answers NaN never says the target's name: no merit of a defense.
    if (!std::isfinite(results[v].clean.loss)) continue;
    results[v].attack_success_rate = stamped[v].accuracy();
  }
  return results;
}

RoundReport Server::train_round(float learning_rate) {
  return federation_.run_round(model_, next_round_++, learning_rate);
}

}  // namespace redoubt
