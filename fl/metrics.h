// The figures that records hold, and what readers call them: one table for the screen, results.csv,
// the `paper` block and the report.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/keys.h"
#include "fl/record.h"

namespace redoubt {

/// How good a model is on some images.
struct Evaluation {
  double accuracy = 0;
  double loss = 0;
};

/// For the researcher's eyes only: a model on the test images, clean and stamped. Defenses log
/// these and never decide by them.
struct TestResult {
  Evaluation clean;
  std::optional<double> attack_success_rate = {};  ///< absent without an attack
  /// The share that is called the target without the trigger (Backdoor::baseline). An attack has
  /// won what lies above it. Absent where nothing can be compared.
  std::optional<double> attack_success_baseline = {};
  std::int64_t attack_images = 0;  ///< how many the rate is of; 0 without an attack
};

struct Metric {
  enum class Of : std::uint8_t { test, training, rule, stage };
  friend constexpr Names<Of, 4> names_of(Of) {
    return {
        {{"test", Of::test}, {"training", Of::training}, {"rule", Of::rule}, {"stage", Of::stage}}};
  }

  std::string_view name;   ///< in records, a column of results.csv
  std::string_view label;  ///< for a reader
  bool share = false;      ///< from 0 to 1, shown in percent
  Of of = Of::training;    ///< what it is measured of
  /// Of a model's test alone: the figure, absent where there is none.
  std::optional<double> (*measured)(const TestResult& result) = nullptr;
};

/// Keys of records that are no metrics but warn of one.
inline constexpr const char* kAttackImages = "attack_images";          ///< TestResult's
inline constexpr const char* kNeededUpdates = "needed_updates";        ///< RoundReport's
inline constexpr const char* kRaisedStatistics = "raised_statistics";  ///< RoundReport's
inline constexpr const char* kCollapsedClass = "collapsed_class";  ///< Server::collapsed_class()

/// Those of a test come first, in the order in which records hold them.
std::span<const Metric> metrics();
/// Null if there is none of that name.
const Metric* find_metric(std::string_view name);

/// Whether the program's own records use a name, so that no rule may use it for a diagnostic.
bool is_of_records(std::string_view name);

/// Adds the figures of one model's test.
void add_test_result(Record& record, const TestResult& result);

}  // namespace redoubt
