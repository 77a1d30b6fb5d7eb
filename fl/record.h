// What a round or a stage leaves for the reader: named values, in the order they were added. The
// program writes each record as one line of metrics.jsonl.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace redoubt {

using RecordValue =
    std::variant<std::int64_t, double, std::string, std::vector<double>, std::vector<std::int64_t>>;

struct Record {
  std::string stage;  ///< "round", "prune", "fine_tune", "adjust_weights", ...
  std::vector<std::pair<std::string, RecordValue>> values;
  std::string note = {};  ///< what a stage did, in a few words for a reader; may be empty

  void add(std::string name, RecordValue value);
  /// The value of that name, or nullptr.
  const RecordValue* find(const std::string& name) const;
};

}  // namespace redoubt
