#include "fl/metrics.h"

#include <algorithm>
#include <array>
#include <string>

namespace redoubt {

namespace {

using Of = Metric::Of;

constexpr std::array kMetrics = {
    Metric{"accuracy", "accuracy", true, Of::test,
           [](const TestResult& result) { return std::optional(result.clean.accuracy); }},
    Metric{"attack_success_rate", "attack success", true, Of::test,
           [](const TestResult& result) { return result.attack_success_rate; }},
    Metric{"attack_success_baseline", "baseline", true, Of::test,
           [](const TestResult& result) { return result.attack_success_baseline; }},
    Metric{"loss", "loss", false, Of::test,
           [](const TestResult& result) { return std::optional(result.clean.loss); }},
    Metric{"training_loss", "training loss"},
    Metric{"validation_accuracy", "validation accuracy", true},
    Metric{"removed_attackers", "attackers left out", false, Of::rule},
    Metric{"removed_benign", "others left out", false, Of::rule},
    Metric{"confidence_as_printed", "confidence as printed", true, Of::rule},
    Metric{"confidence", "confidence", true, Of::rule},
    Metric{"pruned_channels", "pruned channels", false, Of::stage},
    Metric{"delta", "Δ", false, Of::stage},
    Metric{"zeroed_weights", "zeroed weights", false, Of::stage},
    Metric{"margin", "margin", false, Of::stage},
};

/// Keys of rounds that are no metrics.
constexpr std::array<std::string_view, 14> kOtherKeys = {"stage",
                                                         "step",
                                                         "note",
                                                         "pipeline",
                                                         "round",
                                                         "attackers",
                                                         "clients",
                                                         "images",
                                                         kAttackImages,
                                                         "rejected_updates",
                                                         "used_updates",
                                                         kNeededUpdates,
                                                         kRaisedStatistics,
                                                         kCollapsedClass};

}  // namespace

std::span<const Metric> metrics() { return kMetrics; }

const Metric* find_metric(std::string_view name) {
  const auto* const found = std::find_if(kMetrics.begin(), kMetrics.end(),
                                         [&](const Metric& metric) { return metric.name == name; });
  return found == kMetrics.end() ? nullptr : found;
}

bool is_of_records(std::string_view name) {
  return find_metric(name) != nullptr ||
         std::find(kOtherKeys.begin(), kOtherKeys.end(), name) != kOtherKeys.end();
}

void add_test_result(Record& record, const TestResult& result) {
  for (const Metric& metric : kMetrics) {
    if (metric.measured == nullptr) continue;
    if (const auto figure = metric.measured(result)) record.add(std::string(metric.name), *figure);
  }
  if (result.attack_images > 0) record.add(kAttackImages, result.attack_images);
}

}  // namespace redoubt
